"""Requests take turns, so that the event loop looks at its sockets between any few of them."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Final, Generic, TypeVar

K = TypeVar("K")

PATIENCE_SECONDS: Final = 0.05
"""Who waits for less makes way for whoever came later: most are answered at once then, and nobody is much later."""

LONGEST_SECONDS: Final = 0.02
"""For which requests are answered in one turn of the loop. Where the rest of it takes longer, which is reading from
hundreds of connections, more comes than can be answered, and what is to be shed has to be read for that."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    begin: Callable[[], None]
    size_bytes: int
    since: float


class Turns(Generic[K]):
    """In each turn of the event loop one, and more for as long as the rest of it took, up to `LONGEST_SECONDS`: the
    last that came, unless the first has lost its patience.

    Left to itself the loop runs all handlers that can go on before it reads again. Where they compute for long,
    requests, and connections even more, wait unread, and nobody knows for how long. Where it read all that has come
    between any two of them, hardly any would be answered under a storm. So both get as long, until reading takes so
    long that it has fallen behind.
    """

    def __init__(self, *, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._since = 0.0
        """When the rest of the loop's turn began."""
        self._waiting: OrderedDict[K, _Waiting] = OrderedDict()
        self._is_due = False
        self.size_bytes = 0
        """Of what waits, together."""

    def __len__(self) -> int:
        return len(self._waiting)

    def wait(self, who: K, begin: Callable[[], None], size_bytes: int = 0) -> None:
        """`begin` is called when its turn has come, unless it leaves before."""
        now = self._clock()
        self._waiting[who] = _Waiting(begin, size_bytes, now)
        self.size_bytes += size_bytes
        if not self._is_due:
            self._is_due, self._since = True, now
            asyncio.get_running_loop().call_soon(self._take)

    def leave(self, who: K) -> None:
        """It may not be waiting."""
        left = self._waiting.pop(who, None)
        if left is not None:
            self.size_bytes -= left.size_bytes

    def _take(self) -> None:
        now = self._clock()
        ends = now + min(now - self._since, LONGEST_SECONDS)
        try:
            while self._waiting:
                self._pop(now).begin()
                now = self._clock()
                if now >= ends:
                    break
        finally:
            self._since = now
            self._is_due = bool(self._waiting)
            if self._is_due:
                asyncio.get_running_loop().call_soon(self._take)

    def _pop(self, now: float) -> _Waiting:
        first = next(iter(self._waiting.values()))
        _, chosen = self._waiting.popitem(last=now - first.since < PATIENCE_SECONDS)
        self.size_bytes -= chosen.size_bytes
        return chosen
