"""The overlay for cert-manager: who keeps the certificates has the rights, and nobody else."""

from __future__ import annotations

from typing import Any

from certs.injection import is_kept_by_cert_manager
from certs.serving import IDENTITIES
from cli.tls import MOUNTED
from manifests.loader import load


def found(kind: str, name: str) -> dict[str, Any]:
    (item,) = (item for item in load("cert-manager") if (item["kind"], item["metadata"]["name"]) == (kind, name))
    return item


def test_the_replicas_read_the_secret_that_cert_manager_writes() -> None:
    pod = found("Deployment", "stoker")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert "--certificates=cert-manager" in container["args"]
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == [str(MOUNTED)]
    assert pod["volumes"][0]["secret"]["secretName"] == found("Certificate", "stoker")["spec"]["secretName"]


def test_but_for_the_certificates_the_replicas_are_started_as_ever() -> None:
    (ours,) = (item for item in load("base") if item["kind"] == "Deployment")
    shipped = ours["spec"]["template"]["spec"]["containers"][0]
    patched = found("Deployment", "stoker")["spec"]["template"]["spec"]["containers"][0]
    assert [word for word in patched["args"] if word != "--certificates=cert-manager"] == shipped["args"]
    assert patched["readinessProbe"] == shipped["readinessProbe"]


def test_the_certificate_stands_for_every_name_of_the_service() -> None:
    in_the_cluster = {name for name in IDENTITIES if name.startswith("stoker")}
    assert set(found("Certificate", "stoker")["spec"]["dnsNames"]) == in_the_cluster


def test_the_bundle_is_left_to_the_injector() -> None:
    assert is_kept_by_cert_manager(found("MutatingWebhookConfiguration", "stoker"))


def test_stoker_has_no_right_to_secrets_or_to_the_webhook_configuration() -> None:
    granted = {
        resource
        for item in load("cert-manager")
        if item["kind"] in ("Role", "ClusterRole")
        for rule in item["rules"]
        for resource in rule["resources"]
    }
    assert granted.isdisjoint({"secrets", "configmaps", "mutatingwebhookconfigurations"})
