"""Slow clients: so many connections that send a byte a second, as a program of its own.

    python -m benchmarks.faults.dripping https://127.0.0.1:9443 500 12

Half of them never come to the end of a request's head, half never to the end of its body. They come over so many
seconds (12); who is thrown out connects again. It says so, once all have done that, and goes on until it is ended.
"""

from __future__ import annotations

import asyncio
import itertools
import ssl
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from lab.processes import Process

READY: Final = "all of them were thrown out once, and are connected again"
PAUSE_SECONDS: Final = 1.0
HEAD: Final = b"POST /mutate HTTP/1.1\r\nHost: stoker\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n"


def dripping(url: str, count: int, over_seconds: float, directory: Path) -> Process:
    """The program, ready once all were thrown out and are connected again."""
    log = directory / "dripping.log"
    log.unlink(missing_ok=True)

    async def check() -> bool:
        return READY in log.read_text(encoding="utf-8")

    command = [sys.executable, "-m", __name__, url, str(count), str(over_seconds)]
    return Process("dripping", command, log=log, check=check)


def drops(*, within_head: bool) -> Iterator[bytes]:
    """What a slow client sends, piece by piece."""
    if within_head:
        yield from (bytes([byte]) for byte in HEAD + b"X-Slow: ")
    else:
        yield HEAD + b"\r\n"
    yield from itertools.repeat(b" ")


async def drip(url: str, number: int, returned: asyncio.Queue[int]) -> None:
    """One client, for ever; its number is put into `returned` when it is connected for the second time."""
    parts, context = urlsplit(url), None
    if parts.scheme == "https":
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    times = 0
    while True:
        with suppress(OSError, asyncio.IncompleteReadError):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=context)
            if times == 1:
                returned.put_nowait(number)
            times += 1
            for drop in drops(within_head=number % 2 == 0):
                writer.write(drop)
                await writer.drain()
                await asyncio.sleep(PAUSE_SECONDS)
        await asyncio.sleep(PAUSE_SECONDS)


async def _main(url: str, count: int, over_seconds: float) -> None:
    returned = asyncio.Queue[int]()
    clients = []
    for number in range(count):
        clients.append(asyncio.create_task(drip(url, number, returned)))
        await asyncio.sleep(over_seconds / count)  # spread, and so are the returns of those thrown out
    for _ in range(count):
        await returned.get()
    sys.stdout.write(READY + "\n")
    sys.stdout.flush()
    await asyncio.gather(*clients)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
