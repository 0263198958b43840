"""Addresses to listen on, as users write them: `:9443`, `127.0.0.1:0`, `[::1]:9443`, `localhost:9090`."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Final, Self

from model.errors import InvalidInput

_MAX_PORT: Final = 65_535
_BACKLOG: Final = 1_024


@dataclass(frozen=True, slots=True)
class Address:
    """A host (empty: every interface, IPv4 and IPv6) and a port (0: any that is free)."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises InvalidInput."""
        host, colon, port = text.rpartition(":")
        expected = "write host:port or :port, such as 127.0.0.1:9443 or [::1]:9443"
        if not colon:
            raise InvalidInput(f"address {text!r} has no port; {expected}")
        if not (port.isascii() and port.isdigit()) or int(port) > _MAX_PORT:
            raise InvalidInput(f"address {text!r}: {port!r} is not a port from 0 to {_MAX_PORT}; {expected}")
        bracketed = host.startswith("[") and host.endswith("]")
        if (":" in host) != bracketed:
            raise InvalidInput(f"address {text!r}: an IPv6 host stands in brackets, and only that; {expected}")
        host = host[1:-1] if bracketed else host
        if any(character.isspace() or character in "[]/@" for character in host):
            raise InvalidInput(f"address {text!r}: {host!r} is not a host; {expected}")
        return cls(host, int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        return self.host in ("localhost", "::1") or self.host.startswith("127.")

    def bind(self) -> socket.socket:
        """A listening socket of this address; raises InvalidInput where it cannot be had."""
        try:
            return self._bind()
        except OSError as error:
            raise InvalidInput(f"cannot listen on {self}: {error.strerror or error}; choose another address") from error

    def _bind(self) -> socket.socket:
        if self.host:
            family, *_, address = socket.getaddrinfo(
                self.host, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            return socket.create_server(address[:2], family=family, backlog=_BACKLOG)
        if socket.has_dualstack_ipv6():
            try:
                return socket.create_server(
                    ("", self.port), family=socket.AF_INET6, backlog=_BACKLOG, dualstack_ipv6=True
                )
            except OSError:
                pass  # IPv6 compiled in but switched off on this machine, or the port is taken: IPv4 will tell
        return socket.create_server(("", self.port), backlog=_BACKLOG)
