"""The same questions to both sides, asked by the load generator of benchmarks/baseline, and how long answers took."""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from model.errors import LabError

T = TypeVar("T")

NUMBER: Final = "@NUMBER@"
"""In a body, the generator puts the number of the request there; no two requests of a generator have the same."""


@dataclass(frozen=True, slots=True)
class Load:
    """Bodies sent in turn over so many connections, until so many requests are sent or so much time has passed.

    `requests` counts the first one on each connection, too.
    """

    bodies: Sequence[bytes]
    connections: int = 1
    requests: int = 400
    seconds: float = 4.0


@dataclass(frozen=True, slots=True)
class Answers:
    """What came of a load; every request was answered with a status of 2xx."""

    milliseconds: tuple[float, ...]
    seconds: float
    """From the first request to the last answer."""

    sent: int
    """Requests, with the first on each connection, which is not timed."""

    @property
    def p50(self) -> float:
        return quantile(self.milliseconds, 0.5)

    @property
    def p99(self) -> float:
        return quantile(self.milliseconds, 0.99)


@dataclass(frozen=True, slots=True)
class Trust:
    """What a server wants of its clients, and they of it."""

    authority: Path | None = None
    token: str = ""


class _Output(msgspec.Struct):
    micros: list[int]
    seconds: float
    sent: int
    failed: int
    failure: str


class Generator:
    """Runs the program, one load at a time; bodies are handed over in files of `directory`."""

    def __init__(self, program: Path, directory: Path) -> None:
        self._program = program
        self._directory = directory
        self._runs = itertools.count()
        self._first = 0

    async def send(self, url: str, load: Load, trust: Trust | None = None) -> Answers:
        """LabError where a request failed."""
        trust = trust or Trust()
        bodies = self._directory / f"bodies-{next(self._runs)}"
        bodies.write_bytes(b"\n".join(load.bodies))
        try:
            output = await self._run(url, load, trust, bodies)
        finally:
            bodies.unlink()
        self._first += load.requests
        if output.failed or not output.micros:
            raise LabError(f"{output.failed} requests to {url} failed, one of them with: {output.failure}")
        return Answers(tuple(sorted(micros / 1000 for micros in output.micros)), output.seconds, output.sent)

    async def _run(self, url: str, load: Load, trust: Trust, bodies: Path) -> _Output:
        options = {
            "url": url,
            "bodies": bodies,
            "connections": load.connections,
            "requests": load.requests,
            "seconds": load.seconds,
            "first": self._first,
            "authority": trust.authority or "",
            "token": trust.token,
        }
        child = await asyncio.create_subprocess_exec(
            self._program,
            *(f"-{name}={value}" for name, value in options.items()),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            printed, complaint = await child.communicate()
        finally:
            if child.returncode is None:
                child.kill()
        if child.returncode != 0:
            raise LabError(f"the load generator failed: {complaint.decode(errors='replace').strip()}")
        return msgspec.json.decode(printed, type=_Output)


async def in_turn(sides: Mapping[str, Callable[[], Awaitable[T]]], rounds: int) -> dict[str, list[T]]:
    """The outcomes of each side, measured one after the other; every other round begins with the last."""
    found: dict[str, list[T]] = {name: [] for name in sides}
    for number in range(rounds):
        order = list(sides) if number % 2 == 0 else list(sides)[::-1]
        for name in order:
            found[name].append(await sides[name]())
    return found


def quantile(ordered: Sequence[float], share: float) -> float:
    """Nearest rank, of figures in rising order."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
