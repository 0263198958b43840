"""What fails again and again is told when it begins, now and then while it lasts, and when it is over."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

from model.errors import ApiError, StokerError

log = logging.getLogger(__name__)

REPEAT_SECONDS: Final = 60.0
"""Between two lines about one trouble that lasts: few enough to read, and some in the window of any alert."""

UNREACHABLE: Final = "unreachable"


@dataclass(slots=True)
class _Trouble:
    since: float
    told: float
    failing: set[str] = field(default_factory=set)
    met: set[str] = field(default_factory=set)
    """Whoever was failing at some time of it."""


class Troubles:
    """Those of everything that talks to one API server.

    That it cannot be reached is one trouble for all who find it out; that it refuses something is a trouble of whoever
    asked. What is not told is in the log at the level debug.
    """

    def __init__(self, *, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._open: dict[str, _Trouble] = {}

    def failed(self, who: str, error: StokerError) -> None:
        """`who` is what a reader knows the work by, such as "watch of nodes"."""
        kind, now = f"{who}: {error.status}" if isinstance(error, ApiError) else UNREACHABLE, self._clock()
        self._leave(who, unless=kind)
        trouble = self._open.get(kind)
        if trouble is None:
            trouble = self._open[kind] = _Trouble(now, now)
            log.warning("%s: %s", who, error)
        elif now - trouble.told >= REPEAT_SECONDS:
            trouble.told = now
            log.warning("%s: for %.0f s now, %s", _counted(who, trouble.failing), now - trouble.since, error)
        else:
            log.debug("%s: %s", who, error)
        trouble.failing.add(who)
        trouble.met.add(who)

    def over(self, who: str, at: float | None = None) -> None:
        """It works, whether it had failed or not: since `at` on the clock, or now."""
        self._leave(who, at)

    def _leave(self, who: str, at: float | None = None, *, unless: str = "") -> None:
        """Tell of the troubles that are nobody's any more. Who is refused now has reached the server all the same."""
        for kind, trouble in list(self._open.items()):
            if kind == unless or who not in trouble.failing:
                continue
            trouble.failing.remove(who)
            if not trouble.failing:
                del self._open[kind]
                what = "reached again" if kind == UNREACHABLE else "accepted again"
                seconds = (self._clock() if at is None else at) - trouble.since
                log.info("%s: %s after %.0f s", _counted(who, trouble.met), what, seconds)


def _counted(who: str, among: set[str]) -> str:
    others = len(among - {who})
    return f"{who} and {others} more" if others else who
