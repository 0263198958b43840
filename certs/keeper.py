"""The loop that keeps a replica's certificates in order for as long as the process lives."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from certs import metrics
from certs.serving import ServingTls
from certs.sources import CertificateSource
from model.errors import StokerError

FIRST_RETRY_SECONDS: Final = 1.0
LONGEST_RETRY_SECONDS: Final = 30.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class KeeperStatus:
    """What this replica serves, and what keeps it from being in order."""

    leaf_expires: datetime | None
    complaint: str | None
    """The last round's error; None where all is well."""


class CertificateKeeper:
    """Repeats a source's rounds: at the pace it asks for, and with a growing pause after errors.

    `started` is set once a certificate is served; nothing ever clears it. `sleep` is awaited between rounds.
    """

    def __init__(
        self,
        source: CertificateSource,
        tls: ServingTls,
        *,
        clock: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.started = asyncio.Event()
        self._source = source
        self._tls = tls
        self._clock = clock
        self._sleep = sleep
        self._retry_seconds = FIRST_RETRY_SECONDS
        self._complaint: str | None = None

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._sleep(await self.round())

    async def round(self) -> float:
        """One round; the seconds until the next."""
        try:
            pause_seconds = await self._source.refresh(self._clock())
        except Exception as error:  # noqa: BLE001 - a keeper that ended would let the certificate expire unnoticed
            pause_seconds = self._complain(error)
        else:
            if self._complaint is not None:
                # Once more what was wrong: a log on a disk that was full has not got it.
                _log.info("certificates: in order again after: %s", self._complaint)
            self._retry_seconds = FIRST_RETRY_SECONDS
            self._complaint = None
        if self._tls.pair is not None:
            self.started.set()
        return pause_seconds

    def status(self) -> KeeperStatus:
        pair = self._tls.pair
        return KeeperStatus(None if pair is None else pair.expires, self._complaint)

    def readiness_complaint(self) -> str | None:
        """Why no handshake can succeed any more (what is served has expired), or may not: what the source says."""
        pair = self._tls.pair
        if pair is None or self._clock() < pair.expires:
            return self._source.complaint()
        return f"what is served expired at {pair.expires.isoformat()}: {self._complaint or 'see the log'}"

    def _complain(self, error: Exception) -> float:
        pause_seconds, before = self._retry_seconds, self._complaint
        self._retry_seconds = min(2 * pause_seconds, LONGEST_RETRY_SECONDS)
        metrics.ERRORS.inc()
        self._complaint = str(error) or type(error).__name__
        defect = None if isinstance(error, StokerError) else error
        is_told = self._complaint == before and pause_seconds < LONGEST_RETRY_SECONDS
        level = logging.DEBUG if is_told else logging.ERROR
        _log.log(level, "certificates: %s; trying again in %.0f s", self._complaint, pause_seconds, exc_info=defect)
        return pause_seconds
