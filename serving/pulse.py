"""Notices that this process did not run for a while, or that somebody set the clock, and says so."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from serving import metrics

BEAT_SECONDS: Final = 1.0
TOLD_FROM_SECONDS: Final = 3.0
"""Less is a busy machine, or a clock that is being kept right."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Beat:
    """One moment by the clock that people set, and by the one that nobody does."""

    wall: float
    steady: float


@dataclass(frozen=True, slots=True)
class Irregularity:
    """`kind` is a constant word for metrics."""

    kind: str
    seconds: float
    text: str


def irregularities(last: Beat, now: Beat) -> list[Irregularity]:
    """What happened between two beats that should be `BEAT_SECONDS` apart."""
    found = []
    missing, set_by = now.steady - last.steady - BEAT_SECONDS, (now.wall - last.wall) - (now.steady - last.steady)
    if missing >= TOLD_FROM_SECONDS:
        found.append(Irregularity("suspended", missing, "this process did not run"))
    if abs(set_by) >= TOLD_FROM_SECONDS:
        found.append(Irregularity("clock-set", set_by, "the clock was set"))
    return found


async def watch_time(
    *,
    wall: Callable[[], float] = time.time,
    steady: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Until cancelled."""
    last = Beat(wall(), steady())
    while True:
        await sleep(BEAT_SECONDS)
        now = Beat(wall(), steady())
        for item in irregularities(last, now):
            metrics.IRREGULARITIES.labels(item.kind).inc()
            log.warning(item.text, extra={"fields": {"seconds": f"{item.seconds:+.1f}"}})
        last = now
