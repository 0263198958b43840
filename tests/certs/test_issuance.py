from __future__ import annotations

from datetime import timedelta
from pathlib import PurePosixPath

import pytest
import yaml
from cryptography import x509

from certs.authority import CA_LIFETIME
from certs.issuance import admission_configuration, issue_client, scheduler_configuration
from certs.rollover import Action, apply
from certs.store import StoredAuthority
from cli.tls import MOUNTED, Certificates, TlsFiles, tls_files
from manifests.loader import load
from model.errors import InvalidInput
from tests.certs.builders import NOW, authority

CA = authority()
STEADY = StoredAuthority(CA, CA.pair.certificate_pem)
PLACE = PurePosixPath("/etc/kubernetes/stoker")


def test_the_configuration_is_the_shipped_one_with_mutual_tls() -> None:
    shipped = next(item for item in load("scheduler") if item["kind"] == "ConfigMap")
    base = yaml.safe_load(shipped["data"]["scheduler.yaml"])
    made = yaml.safe_load(scheduler_configuration(base, "https://10.96.0.7:9444", PLACE))
    (extender,) = made["extenders"]
    assert extender["tlsConfig"] == {
        "serverName": "stoker.stoker-system.svc",
        "caFile": f"{PLACE}/ca.crt",
        "certFile": f"{PLACE}/client.crt",
        "keyFile": f"{PLACE}/client.key",
    }
    assert (extender["urlPrefix"], extender["enableHTTPS"]) == ("https://10.96.0.7:9444", True)
    assert (extender["ignorable"], extender["nodeCacheCapable"], extender["weight"]) == (True, True, 141)


def test_while_two_authorities_are_trusted_the_next_one_signs_for_clients() -> None:
    begun = apply(Action.BEGIN, STEADY, NOW)
    issued = issue_client(begun, "stoker-scheduler", now=NOW, lifetime=timedelta(days=30))
    assert begun.next is not None
    assert issued.files["ca.crt"] == begun.bundle_pem
    x509.load_pem_x509_certificate(issued.files["client.crt"]).verify_directly_issued_by(begun.next.pair.certificate)


def test_a_certificate_does_not_outlive_its_authority() -> None:
    issued = issue_client(STEADY, "stoker-scheduler", now=NOW, lifetime=2 * CA_LIFETIME)
    assert issued.expires == CA.pair.expires


def test_the_api_server_gets_a_user_for_the_webhooks_host() -> None:
    files = admission_configuration("stoker.stoker-system.svc", PLACE)
    kubeconfig = yaml.safe_load(files["webhooks.kubeconfig"])
    assert kubeconfig["users"][0]["name"] == "stoker.stoker-system.svc"
    (plugin,) = yaml.safe_load(files["admission.yaml"])["plugins"]
    assert plugin["configuration"]["kubeConfigFile"] == f"{PLACE}/webhooks.kubeconfig"


CERTIFICATE, KEY, CLIENTS = (MOUNTED / name for name in ("tls.crt", "tls.key", "ca.crt"))


def test_without_options_certificates_are_self_managed() -> None:
    assert tls_files(None, None, None, None) is None


def test_with_cert_manager_the_mounted_secret_is_read() -> None:
    assert tls_files(Certificates.CERT_MANAGER, None, None, None) == TlsFiles(CERTIFICATE, KEY, CLIENTS)


def test_files_alone_mean_files() -> None:
    assert tls_files(None, CERTIFICATE, KEY, None) == TlsFiles(CERTIFICATE, KEY, None)


@pytest.mark.parametrize("mode", [None, *Certificates])
def test_half_a_pair_is_refused(mode: Certificates | None) -> None:
    with pytest.raises(InvalidInput, match="go together"):
        tls_files(mode, CERTIFICATE, None, None)


def test_self_managed_certificates_take_no_files() -> None:
    with pytest.raises(InvalidInput, match="need no files"):
        tls_files(Certificates.SELF, CERTIFICATE, KEY, None)


def test_files_have_to_be_named() -> None:
    with pytest.raises(InvalidInput, match="needs --tls-cert-file"):
        tls_files(Certificates.FILES, None, None, CLIENTS)
