"""One question at a time before and after a storm: how long an answer usually takes, and when it does so again."""

from __future__ import annotations

import itertools
import resource
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Final, Self

import aiohttp

from benchmarks.load import NUMBER
from model.errors import LabError

FILES: Final = 65_536
JSON: Final = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    retry_after: str


Ask = Callable[[], Awaitable[Reply]]


class Asker:
    """Sends one body again and again, under names that the load generator's requests do not have."""

    def __init__(self, session: aiohttp.ClientSession, url: str, body: bytes) -> None:
        self._session = session
        self._url = url
        self._body = body
        self._numbers = itertools.count(1)
        self.answers: Counter[tuple[int, str]] = Counter()
        """By status and Retry-After."""

    @classmethod
    @asynccontextmanager
    async def start(cls, url: str, body: bytes, context: ssl.SSLContext | None = None) -> AsyncIterator[Self]:
        """`url` is where to POST `body`, in which NUMBER stands for the request's own."""
        connector = aiohttp.TCPConnector(ssl=context or True)
        async with aiohttp.ClientSession(connector=connector) as session:
            yield cls(session, url, body)

    async def ask(self) -> Reply:
        body = self._body.replace(NUMBER.encode(), f"calm-{next(self._numbers)}".encode())
        try:
            async with self._session.post(self._url, data=body, headers=JSON) as response:
                await response.read()
        except aiohttp.ClientError as error:
            raise LabError(f"{self._url} gave no answer: {error}") from error
        reply = Reply(response.status, response.headers.get("Retry-After", ""))
        self.answers[reply.status, reply.retry_after] += 1
        return reply


def allow_connections() -> None:
    """Let this process, and those that it starts from now on, have tens of thousands, if the system lets it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES if hard == resource.RLIM_INFINITY else min(FILES, hard), hard))


async def calm(ask: Ask, requests: int) -> float:
    """Seconds that an answer takes in the mean, where each request waits for the last one's answer."""
    begun = perf_counter()
    for _ in range(requests):
        await ask()
    return (perf_counter() - begun) / requests


async def recovery(ask: Ask, within_seconds: float, patience_seconds: float) -> float:
    """Seconds until a request is answered with 200 and in so short a time; LabError where that takes too long."""
    begun = perf_counter()
    while True:
        asked = perf_counter()
        reply = await ask()
        if reply.status == 200 and perf_counter() - asked <= within_seconds:
            return perf_counter() - begun
        if perf_counter() - begun > patience_seconds:
            raise LabError("the overload is over, and answers are still late or refused")
