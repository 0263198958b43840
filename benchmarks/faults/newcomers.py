"""Honest clients that come one by one: each request on a connection of its own, with its handshake."""

from __future__ import annotations

import asyncio
import ssl
from time import monotonic
from typing import Final

import aiohttp

from benchmarks.load import NUMBER, Answers, Trust
from model.errors import LabError

EVERY_SECONDS: Final = 0.05
"""From an answer to the next client."""

TIMEOUT_SECONDS: Final = 10.0


async def send(url: str, body: bytes, seconds: float, trust: Trust) -> Answers:
    """For so long; each answer is timed from before its connection. LabError where one is not a 200."""
    tls = ssl.create_default_context(cafile=trust.authority) if trust.authority else True
    milliseconds, began_at = list[float](), monotonic()
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(force_close=True, ssl=tls),
        headers={"Content-Type": "application/json"},
        timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
    ) as session:
        while monotonic() < began_at + seconds:
            asked_at = monotonic()
            await _ask(session, url, body.replace(NUMBER.encode(), str(len(milliseconds)).encode()))
            milliseconds.append((monotonic() - asked_at) * 1000)
            await asyncio.sleep(EVERY_SECONDS)
    return Answers(tuple(sorted(milliseconds)), monotonic() - began_at, len(milliseconds))


async def _ask(session: aiohttp.ClientSession, url: str, body: bytes) -> None:
    try:
        async with session.post(url, data=body) as response:
            said = await response.text()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise LabError(f"a request to {url} on a connection of its own failed: {error!r}") from error
    if response.status != 200:
        raise LabError(f"a request to {url} on a connection of its own: {response.status} {said[:300]}")
