"""The roles of a serving process and where it listens: what can be told of them before anything is connected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from cli.tls import TlsOptions
from model.errors import InvalidInput
from serving.addresses import Address


class Role(StrEnum):
    WEBHOOK = "webhook"
    EXTENDER = "extender"
    CONTROLLERS = "controllers"


@dataclass(frozen=True, slots=True)
class Listens:
    """Where a process answers."""

    roles: Mapping[Role, Address]
    """The control plane's requests, by who answers them."""

    metrics: Address
    """Health too."""


def parse_roles(text: str) -> frozenset[Role]:
    """Of a list with commas; InvalidInput."""
    wanted = [word.strip() for word in text.split(",") if word.strip()]
    unknown = [word for word in wanted if word not in list(Role)]
    if unknown or not wanted:
        raise InvalidInput(f"--roles {text!r}: name some of {', '.join(Role)}, separated by commas")
    return frozenset(Role(word) for word in wanted)


def parse_listens(roles: frozenset[Role], addresses: Mapping[Role, str], metrics: str) -> Listens:
    """InvalidInput where one is no address, asked for or not, or where two of this process are the same."""
    parsed = {role: _parse(f"--{role}-listen", text) for role, text in addresses.items()}
    served: dict[Role, Address] = {role: parsed[role] for role in (Role.WEBHOOK, Role.EXTENDER) if role in roles}
    listens = Listens(served, _parse("--metrics-listen", metrics))
    seen: dict[Address, str] = {}
    for name, address in (*served.items(), ("metrics", listens.metrics)):
        if address.port and address in seen:
            raise InvalidInput(f"--{seen[address]}-listen and --{name}-listen are both {address}; give each its own")
        seen[address] = name
    return listens


def check_clients(listens: Listens, tls: TlsOptions, *, insecure_http: bool) -> None:
    """InvalidInput where a role could not know who asks."""
    for role, address in listens.roles.items():
        if insecure_http and not address.is_loopback:
            raise InvalidInput(f"--insecure-http is for loopback only, and {role} listens on {str(address)!r}")
        if not insecure_http and verifies_clients(role, address, tls) and not tls.knows_clients:
            raise InvalidInput(f"the {role} answers clients of a known CA only; name that CA with --client-ca-file")


def verifies_clients(role: Role, address: Address, tls: TlsOptions) -> bool:
    """The extender answers no stranger. The webhook does unless told otherwise: API servers show no certificate."""
    if role is Role.WEBHOOK:
        return tls.verify_webhook_clients
    return tls.knows_clients or not address.is_loopback


def _parse(option: str, text: str) -> Address:
    try:
        return Address.parse(text)
    except InvalidInput as error:
        raise InvalidInput(f"{option}: {error}") from error
