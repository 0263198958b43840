"""Compressed time: a second of the wall is `speed` seconds of the modelled cluster."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime


class Clock:
    """Model seconds since the clock was made; what happened before has a negative time.

    Stages end at absolute moments (`sleep_until`), so that lateness of this process does not add up.
    """

    def __init__(
        self,
        speed: float,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        unix: Callable[[], float] = time.time,
    ) -> None:
        self.speed = speed
        self._monotonic = monotonic
        self._origin = monotonic()
        self._unix_origin = unix()

    def now(self) -> float:
        return (self._monotonic() - self._origin) * self.speed

    def unix(self, moment: float) -> float:
        """Wall time, in seconds of the epoch, of a moment of the model."""
        return self._unix_origin + moment / self.speed

    def moment(self, unix: float) -> float:
        """The moment of the model at a wall time."""
        return (unix - self._unix_origin) * self.speed

    def timestamp(self, moment: float) -> str:
        """As the API writes times: whole seconds of the wall, cut off."""
        return datetime.fromtimestamp(int(self.unix(moment)), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def wall_seconds_until(self, moment: float) -> float:
        return max(0.0, (moment - self.now()) / self.speed)

    async def sleep_until(self, moment: float) -> None:
        """Returns once the moment has come, and lets others run even where it is past."""
        await asyncio.sleep(self.wall_seconds_until(moment))
