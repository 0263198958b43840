"""Accepting connections. At the limit the oldest of those in their TLS handshake makes room for the newcomer: whoever
opens many and says nothing keeps nobody out.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import Final

from serving import metrics
from serving.connections import Connection, Connections

HANDSHAKE_SECONDS: Final = 3.0
"""For which a client may take for its TLS handshake; the API server gives up on a whole review after 5 s."""

BURST: Final = 20
"""Accepted at most before others get the event loop."""

EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""The process, or the machine, has no file descriptor or no memory left for a connection. All other errors of accept(2)
are those of the one connection that it takes from the queue."""

PAUSE_SECONDS: Final = 1.0
"""After one of EXHAUSTED."""

NO_CERTIFICATE: Final = "PEER_DID_NOT_RETURN_A_CERTIFICATE"
"""What OpenSSL says of a client that was asked for a certificate and showed none."""

_log = logging.getLogger(__name__)


class Acceptor:
    """Takes connections from a listening socket, from `start` to `close`.

    The event loop's own servers tell of a connection when its handshake is over. Whoever opens many and never begins
    it would be bounded by nothing; here they are in `connections` from the first moment.
    """

    def __init__(
        self,
        listening: socket.socket,
        connections: Connections,
        create: Callable[[], Connection],
        ssl_context: ssl.SSLContext | None,
    ) -> None:
        self._listening = listening
        self._connections = connections
        self._create = create
        self._ssl_context = ssl_context
        self._loop = asyncio.get_running_loop()
        self._resume: asyncio.TimerHandle | None = None
        self._arriving: dict[Connection, asyncio.Task[object]] = {}
        """Those whose handshake may not be over yet, the oldest first."""

    def start(self) -> None:
        self._resume = None
        self._listening.setblocking(False)
        self._loop.add_reader(self._listening, self._accept)

    def close(self) -> None:
        """Accept no more; handshakes that have begun go on."""
        if self._resume is not None:
            self._resume.cancel()
        if self._listening.fileno() >= 0:
            self._loop.remove_reader(self._listening)
            self._listening.close()

    async def abort(self) -> None:
        """End the handshakes that have begun."""
        tasks = tuple(self._arriving.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _accept(self) -> None:
        for _ in range(BURST):
            try:
                accepted, peer = self._listening.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in EXHAUSTED:
                    self._pause(error)
                    return
                continue
            if self._connections.is_full:
                self._connections.count_refusal()
                if not self._end_oldest_handshake():
                    accepted.close()
                    continue
            self._let_in(accepted, str(peer[0]))

    def _let_in(self, accepted: socket.socket, peer: str) -> None:
        accepted.setblocking(False)
        connection = self._create()
        self._connections.add(connection)
        seconds = HANDSHAKE_SECONDS if self._ssl_context else None
        task: asyncio.Task[object] = self._loop.create_task(
            self._loop.connect_accepted_socket(
                lambda: connection, accepted, ssl=self._ssl_context, ssl_handshake_timeout=seconds
            )
        )
        self._arriving[connection] = task
        task.add_done_callback(partial(self._arrived, connection, accepted, peer))

    def _arrived(self, connection: Connection, accepted: socket.socket, peer: str, task: asyncio.Task[object]) -> None:
        self._arriving.pop(connection, None)
        if connection.transport is None:
            accepted.close()  # nobody else does where the task was cancelled before it began
            self._connections.remove(connection)
        if not task.cancelled() and (error := task.exception()) is not None:
            _record(self._connections.listener, peer, error)

    def _end_oldest_handshake(self) -> bool:
        """False where none is under way."""
        if self._ssl_context is None:
            return False
        for connection, task in self._arriving.items():
            if connection.transport is None:  # else its handshake has just succeeded, which its task has yet to learn
                task.cancel()
                del self._arriving[connection]
                self._connections.remove(connection)
                return True
        return False

    def _pause(self, error: OSError) -> None:
        """The connection stays in the socket's queue, and asking for it again at once would be of no use."""
        fields = {"listener": self._connections.listener, "why": error}
        _log.error("a connection could not be accepted; trying again in a second", extra={"fields": fields})
        self._loop.remove_reader(self._listening)
        self._resume = self._loop.call_later(PAUSE_SECONDS, self.start)


def _record(listener: str, peer: str, error: BaseException) -> None:
    """A handshake that failed. What is no OSError is a defect, and not for `debug` alone."""
    reason = _reason(error)
    metrics.HANDSHAKES_FAILED.labels(listener, reason).inc()
    fields = {"listener": listener, "peer": peer, "reason": reason, "why": error}
    if isinstance(error, OSError):
        _log.debug("a TLS handshake failed", extra={"fields": fields})
    else:
        _log.error("a TLS handshake failed", extra={"fields": fields}, exc_info=error)


def _reason(error: BaseException) -> str:
    if isinstance(error, ssl.SSLError):
        is_certificate = isinstance(error, ssl.SSLCertVerificationError) or error.reason == NO_CERTIFICATE
        return "certificate" if is_certificate else "tls"
    return "timeout" if isinstance(error, ConnectionAbortedError) else "other"
