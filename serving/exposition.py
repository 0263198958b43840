"""The text of all metrics. Making it takes milliseconds of the thread that answers reviews, and anybody may ask."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final

from prometheus_client import generate_latest

PAUSE_SECONDS: Final = 0.5


class Exposition:
    """Makes the text at most once in `pause_seconds`, for all who have asked since the last one."""

    def __init__(
        self,
        *,
        pause_seconds: float = PAUSE_SECONDS,
        make: Callable[[], bytes] = generate_latest,
        clock: Callable[[], float] = monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._pause_seconds = pause_seconds
        self._make = make
        self._clock = clock
        self._sleep = sleep
        self._made_at = float("-inf")
        self._next: asyncio.Task[bytes] | None = None

    async def text(self) -> bytes:
        """Made after it was asked for: nobody gets an older one."""
        if self._next is None:
            self._next = asyncio.create_task(self._make_in_time())
        return await asyncio.shield(self._next)

    async def _make_in_time(self) -> bytes:
        await self._sleep(max(0.0, self._made_at + self._pause_seconds - self._clock()))
        self._next, self._made_at = None, self._clock()
        return self._make()
