"""Requests take turns, so that the event loop looks at its sockets between any few of them."""

from __future__ import annotations

import asyncio


class Turns:
    """First come, first served, `at_once` in each turn of the event loop.

    Left to itself the loop runs all handlers that can go on before it reads again. Where each computes for
    milliseconds, requests, and connections even more, wait unread, and nobody knows for how long.
    """

    def __init__(self, at_once: int = 1) -> None:
        self._slots = asyncio.Semaphore(at_once)

    async def mine(self) -> None:
        """Wait for one's turn, which lasts until one awaits something or is done."""
        await self._slots.acquire()
        asyncio.get_running_loop().call_soon(self._slots.release)
