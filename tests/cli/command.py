"""The `stoker` command as a user runs it: another process, with nothing of our environment unless it is asked for."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeVar

import aiohttp

STOKER: Final = str(Path(sys.executable).with_name("stoker"))
POLL_SECONDS: Final = 0.05

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command that has ended leaves."""

    status: int
    output: str
    complaint: str


async def stoker(*words: str | Path, seconds: float = 60, inherit: bool = False) -> Ended:
    """Run a command to its end, which must come within `seconds`; `inherit` our environment, where caches are named."""
    child = await _start(*words, environment=os.environ if inherit else {})
    try:
        async with asyncio.timeout(seconds):
            output, complaint = await child.communicate()
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    return Ended(child.returncode or 0, output.decode(), complaint.decode())


@asynccontextmanager
async def serving(*words: str | Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """`stoker serve` inside the block; killed at its end, if it has not ended by then."""
    child = await _start("serve", *words)
    drain = asyncio.gather(child.stdout.read(), child.stderr.read()) if child.stdout and child.stderr else None
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()
        if drain is not None:
            await drain


async def answer(url: str) -> tuple[int, str]:
    """The status and text of a GET, as soon as somebody listens there."""

    async def ask() -> tuple[int, str] | None:
        try:
            async with aiohttp.ClientSession() as session, session.get(url) as response:
                return response.status, await response.text()
        except aiohttp.ClientConnectionError:
            return None

    return await until(ask)


async def until(ask: Callable[[], Awaitable[Found | None]], seconds: float = 30) -> Found:
    """The first answer that is not None; TimeoutError where none comes in time."""
    async with asyncio.timeout(seconds):
        while (found := await ask()) is None:  # noqa: ASYNC110 - what is waited for is in another process
            await asyncio.sleep(POLL_SECONDS)
        return found


async def _start(
    *words: str | Path, environment: Mapping[str, str] = MappingProxyType({})
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        STOKER,
        *map(str, words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
