"""The control plane's keys and certificates, and kubeconfigs for whoever talks to it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import yaml

from certs.authority import CA_LIFETIME, CertificateAuthority, KeyPair

# The names a certificate of the API server usually bears; `kubernetes…` are those of its Service.
APISERVER_IDENTITIES = (
    "127.0.0.1",
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)


@dataclass(frozen=True, slots=True)
class CredentialFiles:
    """A certificate and its key on disk, as the flags of Kubernetes' programs want them."""

    certificate: Path
    key: Path


class Credentials:
    """One authority for servers and clients, and everything that is signed by it, in `directory`."""

    def __init__(self, directory: Path, *, now: datetime) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.directory = directory
        self._now = now
        self._authority = CertificateAuthority.create("stoker-lab", now=now)
        self.ca_pem = self._authority.pair.certificate_pem
        self.ca_file = directory / "ca.crt"
        self.ca_file.write_bytes(self.ca_pem)

    def serving_files(self, name: str, identities: Sequence[str] = ("127.0.0.1", "localhost")) -> CredentialFiles:
        return self._write(name, self._issue(name, identities=identities))

    def client_kubeconfig(self, server_url: str, user: str, groups: Sequence[str] = ()) -> Path:
        pair = self._issue(user, groups=groups)
        entry = {
            "client-certificate-data": _base64(pair.certificate_pem),
            "client-key-data": _base64(pair.key_pem),
        }
        return self._write_kubeconfig(server_url, user, entry)

    def token_kubeconfig(self, server_url: str, token: str, name: str) -> Path:
        return self._write_kubeconfig(server_url, name, {"token": token})

    def _issue(self, name: str, *, identities: Sequence[str] = (), groups: Sequence[str] = ()) -> KeyPair:
        return self._authority.issue(
            name, now=self._now, identities=identities, organizations=groups, lifetime=CA_LIFETIME
        )

    def _write(self, name: str, pair: KeyPair) -> CredentialFiles:
        files = CredentialFiles(self.directory / f"{name}.crt", self.directory / f"{name}.key")
        files.certificate.write_bytes(pair.certificate_pem)
        _write_private(files.key, pair.key_pem)
        return files

    def _write_kubeconfig(self, server_url: str, name: str, user: Mapping[str, str]) -> Path:
        path = self.directory / f"{_file_name(name)}.kubeconfig"
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "lab",
            "clusters": [
                {
                    "name": "lab",
                    "cluster": {"server": server_url, "certificate-authority-data": _base64(self.ca_pem)},
                }
            ],
            "users": [{"name": name, "user": dict(user)}],
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": name}}],
        }
        _write_private(path, yaml.safe_dump(document, sort_keys=False).encode())
        return path


def _write_private(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _file_name(name: str) -> str:
    """User names of Kubernetes contain colons and slashes."""
    return name.replace(":", "-").replace("/", "-")
