"""Who may ask which role, by where it listens and which CA is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.roles import Listens, Role, check_clients, verifies_clients
from cli.tls import TlsFiles, TlsOptions
from model.errors import InvalidInput
from serving.addresses import Address

LOOPBACK, EVERYWHERE = Address("127.0.0.1", 9444), Address("", 9444)
OWN = None
FILES = TlsFiles(Path("tls.crt"), Path("tls.key"), client_ca=None)
FILES_WITH_CA = TlsFiles(Path("tls.crt"), Path("tls.key"), client_ca=Path("ca.crt"))


@pytest.mark.parametrize(
    ("role", "address", "files", "verify_webhook_clients", "verified"),
    [
        (Role.WEBHOOK, EVERYWHERE, OWN, False, False),
        (Role.WEBHOOK, EVERYWHERE, OWN, True, True),
        (Role.WEBHOOK, LOOPBACK, FILES, False, False),
        (Role.EXTENDER, EVERYWHERE, OWN, False, True),
        (Role.EXTENDER, LOOPBACK, OWN, False, True),
        (Role.EXTENDER, LOOPBACK, FILES, False, False),
        (Role.EXTENDER, LOOPBACK, FILES_WITH_CA, False, True),
    ],
)
def test_who_has_to_show_a_certificate(
    role: Role, address: Address, files: TlsFiles | None, verify_webhook_clients: bool, verified: bool
) -> None:
    options = TlsOptions(files, verify_webhook_clients, 30.0)
    check_clients(Listens({role: address}, EVERYWHERE), options, insecure_http=False)
    assert verifies_clients(role, address, options) is verified


@pytest.mark.parametrize(
    ("role", "address", "verify_webhook_clients"),
    [(Role.EXTENDER, EVERYWHERE, False), (Role.WEBHOOK, LOOPBACK, True), (Role.WEBHOOK, EVERYWHERE, True)],
)
def test_without_a_ca_nobody_could_be_verified(role: Role, address: Address, verify_webhook_clients: bool) -> None:
    options = TlsOptions(FILES, verify_webhook_clients, 30.0)
    with pytest.raises(InvalidInput, match="name that CA with --client-ca-file"):
        check_clients(Listens({role: address}, EVERYWHERE), options, insecure_http=False)
