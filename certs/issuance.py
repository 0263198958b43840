"""Client certificates for those who ask Stoker, and the configuration with which they use them.

kube-scheduler and kube-apiserver read these files when they start, and no later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePath
from typing import Any, Final

import yaml

from certs.authority import KeyPair
from certs.store import StoredAuthority
from model import names

SERVER_NAME: Final = f"{names.SERVICE}.{names.NAMESPACE}.svc"
CERTIFICATE: Final = "client.crt"
KEY: Final = "client.key"
BUNDLE: Final = "ca.crt"
SCHEDULER_CONFIGURATION: Final = "scheduler.yaml"
ADMISSION_CONFIGURATION: Final = "admission.yaml"
WEBHOOK_KUBECONFIG: Final = "webhooks.kubeconfig"


@dataclass(frozen=True, slots=True)
class Issued:
    """Files by name, ready to be written."""

    files: Mapping[str, bytes]
    expires: datetime


def issue_client(stored: StoredAuthority, common_name: str, *, now: datetime, lifetime: timedelta) -> Issued:
    """A client certificate of the CA that is to stay the longest: the next one, as soon as it is published."""
    pair: KeyPair = (stored.next or stored.authority).issue(common_name, now=now, lifetime=lifetime)
    files = {CERTIFICATE: pair.certificate_pem, KEY: pair.key_pem, BUNDLE: stored.bundle_pem}
    return Issued(files, pair.expires)


def scheduler_configuration(shipped: Mapping[str, Any], url: str, directory: PurePath) -> bytes:
    """The shipped KubeSchedulerConfiguration, with the extender behind `url` and mutual TLS with it.

    `directory` is where the scheduler sees the files. Its own name and its Lease are those of a cluster's scheduler.
    """
    (extender,) = shipped["extenders"]
    (profile,) = shipped["profiles"]
    tls = {
        "serverName": SERVER_NAME,
        "caFile": str(directory / BUNDLE),
        "certFile": str(directory / CERTIFICATE),
        "keyFile": str(directory / KEY),
    }
    configuration = {
        **{key: value for key, value in shipped.items() if key not in ("leaderElection", "clientConnection")},
        "leaderElection": {"leaderElect": True},
        "clientConnection": {**shipped["clientConnection"], "kubeconfig": "/etc/kubernetes/scheduler.conf"},
        "profiles": [{**profile, "schedulerName": "default-scheduler"}],
        "extenders": [{**extender, "urlPrefix": url, "enableHTTPS": True, "tlsConfig": tls}],
    }
    return yaml.safe_dump(configuration, sort_keys=False).encode()


def admission_configuration(host: str, directory: PurePath) -> dict[str, bytes]:
    """With --admission-control-config-file, kube-apiserver shows the client certificate to the webhook at `host`.

    `host` is what kube-apiserver calls the webhook: `service.namespace.svc`, or the host and port of a URL.
    """
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "users": [
            {
                "name": host,
                "user": {
                    "client-certificate": str(directory / CERTIFICATE),
                    "client-key": str(directory / KEY),
                },
            }
        ],
    }
    plugin = {
        "name": "MutatingAdmissionWebhook",
        "configuration": {
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "WebhookAdmissionConfiguration",
            "kubeConfigFile": str(directory / WEBHOOK_KUBECONFIG),
        },
    }
    admission = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AdmissionConfiguration", "plugins": [plugin]}
    return {
        ADMISSION_CONFIGURATION: yaml.safe_dump(admission, sort_keys=False).encode(),
        WEBHOOK_KUBECONFIG: yaml.safe_dump(kubeconfig, sort_keys=False).encode(),
    }
