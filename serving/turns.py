"""Requests take turns, so that the event loop looks at its sockets between any few of them."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Generic, TypeVar

K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class _Waiting:
    begin: Callable[[], None]
    size_bytes: int


class Turns(Generic[K]):
    """First come, first served: in each turn of the event loop one, and more until `slice_seconds` are over.

    Left to itself the loop runs all handlers that can go on before it reads again. Where they compute for long,
    requests, and connections even more, wait unread, and nobody knows for how long. Where it read all that comes
    between any two of them, it would come to hardly any under a storm.
    """

    def __init__(self, slice_seconds: float = 0.0, *, clock: Callable[[], float] = monotonic) -> None:
        self._slice_seconds = slice_seconds
        self._clock = clock
        self._waiting: OrderedDict[K, _Waiting] = OrderedDict()
        self._is_due = False
        self.size_bytes = 0
        """Of what waits, together."""

    def __len__(self) -> int:
        return len(self._waiting)

    def wait(self, who: K, begin: Callable[[], None], size_bytes: int = 0) -> None:
        """`begin` is called when its turn has come, unless it leaves before."""
        self._waiting[who] = _Waiting(begin, size_bytes)
        self.size_bytes += size_bytes
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._take)

    def leave(self, who: K) -> None:
        """It may not be waiting."""
        left = self._waiting.pop(who, None)
        if left is not None:
            self.size_bytes -= left.size_bytes

    def _take(self) -> None:
        ends = self._clock() + self._slice_seconds
        try:
            while self._waiting:
                _, next_one = self._waiting.popitem(last=False)
                self.size_bytes -= next_one.size_bytes
                next_one.begin()
                if self._clock() >= ends:
                    break
        finally:
            self._is_due = bool(self._waiting)
            if self._is_due:
                asyncio.get_running_loop().call_soon(self._take)
