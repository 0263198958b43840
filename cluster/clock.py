"""The clock of Stoker's forecasts, and the reading of the API's times in it.

In the lab, time is compressed: a wall second stands for `scale` seconds of the modelled cluster. Everything that Stoker
decides is in modelled seconds, so wall time is multiplied where it enters, here, and nowhere else. Deadlines between
programs (timeouts, back-off, staleness) stay in wall time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime


class Clock:
    """Instants in modelled seconds: the Unix time multiplied by `scale` (1 outside the lab)."""

    def __init__(
        self, scale: float = 1.0, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic
    ) -> None:
        self.scale = scale
        self._wall = wall
        self._steady = steady

    def now(self) -> float:
        return self._wall() * self.scale

    def steady(self) -> float:
        """For what has passed since: nobody sets this clock, and its instants can be compared with one another only."""
        return self._steady() * self.scale

    def instant(self, text: str | None) -> float | None:
        """An RFC 3339 time of the API as the latest moment it can mean; None where there is none to read.

        Most times of the API are cut to whole seconds, so what happened at :05.9 reads :05. Taking the end of that
        second errs towards "a moment ago", which is the safe side for a containerd that was just restarted. People may
        write annotations: a time without a zone is read as UTC.
        """
        earliest = self.earliest(text)
        if not text or earliest is None:
            return None
        return earliest if "." in text else earliest + self.scale

    def earliest(self, text: str | None) -> float | None:
        """The same time as the earliest moment it can mean: the safe side for a deadline that counts from it."""
        if not text:
            return None
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return moment.timestamp() * self.scale
