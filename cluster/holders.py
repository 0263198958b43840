"""Whether the process that holds a Lease is gone, so that nobody need wait until the Lease has run out.

Each holder writes into its Lease where its process listens. However a process ends, the kernel closes its sockets, and
refuses who connects to them from then on: decision 0020 says when that is proof.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final, Self
from urllib.parse import urlsplit

from model import names

PROBE_SECONDS: Final = 0.25
"""Between two attempts to connect to the holder."""

CONNECT_SECONDS: Final = 1.0
"""In which an answer counts; within one machine, or a cluster, it takes a millisecond."""


class Reach(StrEnum):
    """What became of an attempt to connect to somebody."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a Lease. `identity` is a host's name, `_`, and something that no other process has; empty for nobody.

    `address` is that of a listener of its process, host and port; empty where it tells none.
    """

    identity: str
    address: str = ""

    @classmethod
    def of(cls, lease: dict[str, Any]) -> Self:
        """The address stands beside whose it is: who knows nothing of it takes a Lease and leaves it as it was."""
        annotations = lease["metadata"].get("annotations") or {}
        identity = lease["spec"].get("holderIdentity") or ""
        whose, _, address = annotations.get(names.HOLDER_ADDRESS_ANNOTATION, "").rpartition("@")
        return cls(identity, address if whose == identity else "")

    @property
    def host_name(self) -> str:
        return self.identity.rpartition("_")[0]

    @property
    def endpoint(self) -> tuple[IPv4Address | IPv6Address, int] | None:
        """None where the address is not an IP address with a port: no name is looked up."""
        try:
            parts = urlsplit(f"//{self.address}")
            host, port = ip_address(parts.hostname or ""), parts.port
        except ValueError:
            return None
        return (host, port) if port and not host.is_unspecified else None

    def writes(self, lease: dict[str, Any]) -> dict[str, str]:
        """The annotations of the Lease when it is this holder's: of another one's address nothing may be left."""
        annotations: dict[str, str] = dict(lease["metadata"].get("annotations") or {})
        annotations.pop(names.HOLDER_ADDRESS_ANNOTATION, None)
        told = {names.HOLDER_ADDRESS_ANNOTATION: f"{self.identity}@{self.address}"} if self.address else {}
        return annotations | told


@dataclass(frozen=True, slots=True)
class Sight:
    """What `us`, who listens at its address, saw of a holder so far."""

    holder: Holder
    us: Holder
    is_first: bool
    """Whether it held the Lease already when we looked for the first time."""

    was_reached: bool = False
    answer: Reach = Reach.NONE
    """The last one."""

    @property
    def may_tell(self) -> bool:
        """Whether the answer at its address would be its own."""
        if self.holder.identity in ("", self.us.identity) or self.holder.address == self.us.address:
            return False
        endpoint = self.holder.endpoint
        return endpoint is not None and not (endpoint[0].is_loopback and self.holder.host_name != self.us.host_name)

    @property
    def is_predecessor(self) -> bool:
        """Whether it listened where we do since we began, and so has ended: the container was started again."""
        same_place = self.holder.host_name == self.us.host_name and self.holder.address == self.us.address
        return self.is_first and same_place and self.us.address != "" and self.holder.identity != self.us.identity

    @property
    def is_dead(self) -> bool:
        """Certain of the process, as long as the network between us did not change its mind."""
        return self.is_predecessor or (self.may_tell and self.was_reached and self.answer is Reach.REFUSED)

    def after(self, answer: Reach) -> Sight:
        return replace(self, answer=answer, was_reached=self.was_reached or answer is Reach.ACCEPTED)


async def connect(host: str, port: int) -> Reach:
    """Connect and say nothing."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except ConnectionRefusedError:
        return Reach.REFUSED
    except OSError:  # TimeoutError is one too
        return Reach.NONE
    writer.close()
    return Reach.ACCEPTED


class HolderWatch:
    """Tells at once, and once, when the holder of a Lease is dead."""

    def __init__(
        self,
        us: Holder,
        *,
        connect: Callable[[str, int], Awaitable[Reach]] = connect,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.us = us
        self._connect = connect
        self._sleep = sleep
        self._sight: Sight | None = None
        self._is_told = False

    @property
    def is_dead(self) -> bool:
        """Whether the one that was met last is known to be."""
        return self._sight is not None and self._sight.is_dead

    def met(self, holder: Holder) -> None:
        """This one is seen to hold the Lease, or has just taken it."""
        if self._sight is None or self._sight.holder != holder:
            self._sight = Sight(holder, self.us, is_first=self._sight is None)
            self._is_told = False

    async def death(self) -> None:
        """Returns when the holder is dead, once for each: who could not take its Lease then has time until it can."""
        while True:
            await self._sleep(PROBE_SECONDS)
            await self._probe()
            if self.is_dead and not self._is_told:
                self._is_told = True
                return

    async def _probe(self) -> None:
        sight = self._sight
        if sight is None or not sight.may_tell or sight.holder.endpoint is None:
            return
        host, port = sight.holder.endpoint
        answer = await self._connect(str(host), port)
        if self._sight is sight:
            self._sight = sight.after(answer)


async def reached_at(host: str, port: int, server: str) -> str:
    """Where others reach a listener of this IP address; of one of all interfaces, on the way to `server` (a URL).

    Empty where there is no such way, or where it cannot be told in a second.
    """
    if host and not ip_address(host).is_unspecified:
        return _joined(host, port)
    parts, loop = urlsplit(server), asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_SECONDS):  # nothing is sent: the kernel looks up the route
            transport, _ = await loop.create_datagram_endpoint(
                asyncio.DatagramProtocol, remote_addr=(parts.hostname or "", parts.port or 443)
            )
    except (OSError, UnicodeError):  # the latter of names that cannot be any in DNS
        return ""
    host = transport.get_extra_info("sockname")[0]
    transport.close()
    return _joined(host, port)


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
