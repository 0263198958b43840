"""Requests take turns, so that the event loop looks at its sockets between any few of them."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class _Waiting:
    begin: Callable[[], None]
    size_bytes: int


class Turns(Generic[K]):
    """First come, first served, `at_once` in each turn of the event loop.

    Left to itself the loop runs all handlers that can go on before it reads again. Where each computes for
    milliseconds, requests, and connections even more, wait unread, and nobody knows for how long.
    """

    def __init__(self, at_once: int = 1) -> None:
        self._at_once = at_once
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
        try:
            for _ in range(min(self._at_once, len(self._waiting))):
                _, next_one = self._waiting.popitem(last=False)
                self.size_bytes -= next_one.size_bytes
                next_one.begin()
        finally:
            self._is_due = bool(self._waiting)
            if self._is_due:
                asyncio.get_running_loop().call_soon(self._take)
