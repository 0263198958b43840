"""Requests take turns, so that the event loop looks at its sockets between any two of them."""

from __future__ import annotations

import asyncio


class Turns:
    """First come, first served, one in each turn of the event loop.

    Left to itself the loop runs all handlers that can go on before it reads again. Where each computes for
    milliseconds, requests, and connections even more, wait unread, and nobody knows for how long.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def mine(self) -> None:
        """Wait for one's turn, which lasts until one awaits something or is done."""
        await self._lock.acquire()
        asyncio.get_running_loop().call_soon(self._lock.release)
