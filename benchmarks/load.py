"""The same questions to both sides, asked by the load generator of benchmarks/baseline, and how long answers took."""

from __future__ import annotations

import asyncio
import itertools
import math
from collections import Counter
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
class Storm:
    """What came of requests that were sent at their times, whatever became of those before."""

    seconds: tuple[float, ...]
    """Until a request was answered, from the moment at which it was due, not from its writing; in rising order."""

    answers: Counter[tuple[int, str]]
    """By status and Retry-After."""

    per_second: float
    """At which requests were really written."""

    def count(self, status: int) -> int:
        return sum(count for (answered, _), count in self.answers.items() if answered == status)


@dataclass(frozen=True, slots=True)
class Trust:
    """What a server wants of its clients, and they of it."""

    authority: Path | None = None
    token: str = ""


class _Output(msgspec.Struct):
    micros: list[int]
    failed: int
    failure: str


class _Closed(_Output):
    seconds: float
    sent: int


class _Open(_Output):
    written: list[int]
    """Microseconds from the first request's time until each was written as a whole."""

    answers: dict[str, int]
    """By status, with Retry-After behind it where there is one."""


Told = TypeVar("Told", bound=_Output)


class Generator:
    """Runs the program, one load at a time; bodies are handed over in files of `directory`."""

    def __init__(self, program: Path, directory: Path) -> None:
        self._program = program
        self._directory = directory
        self._runs = itertools.count()
        self._first = 0

    async def send(self, url: str, load: Load, trust: Trust | None = None) -> Answers:
        """A closed loop: each request as soon as the last one on its connection is answered.

        LabError where a request failed.
        """
        output = await self._run(url, load, trust or Trust(), {}, _Closed)
        return Answers(tuple(sorted(micros / 1000 for micros in output.micros)), output.seconds, output.sent)

    async def storm(self, url: str, load: Load, per_second: float, trust: Trust | None = None) -> Storm:
        """An open loop, as long as the load's requests last; those that open its connections are sent before, slowly.

        LabError where a request got no answer, and where one of those was answered with anything but 200.
        """
        output = await self._run(url, load, trust or Trust(), {"rate": per_second}, _Open)
        answers: Counter[tuple[int, str]] = Counter()
        for answer, count in output.answers.items():
            status, _, retry_after = answer.partition(" ")
            answers[int(status), retry_after] = count
        written = (len(output.written) - 1) * 1e6 / max(output.written)
        return Storm(tuple(sorted(micros / 1e6 for micros in output.micros)), answers, written)

    async def _run(self, url: str, load: Load, trust: Trust, more: Mapping[str, object], output: type[Told]) -> Told:
        bodies = self._directory / f"bodies-{next(self._runs)}"
        bodies.write_bytes(b"\n".join(load.bodies))
        options = {
            "url": url,
            "bodies": bodies,
            "connections": load.connections,
            "requests": load.requests,
            "seconds": load.seconds,
            "first": self._first,
            "authority": trust.authority or "",
            "token": trust.token,
            **more,
        }
        try:
            printed = await self._printed(*(f"-{name}={value}" for name, value in options.items()))
        finally:
            bodies.unlink()
        self._first += load.requests
        told = msgspec.json.decode(printed, type=output)
        if told.failed or not told.micros:
            raise LabError(f"{told.failed} requests to {url} failed, one of them with: {told.failure}")
        return told

    async def _printed(self, *options: str) -> bytes:
        child = await asyncio.create_subprocess_exec(
            self._program, *options, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        try:
            printed, complaint = await child.communicate()
        finally:
            if child.returncode is None:
                child.kill()
        if child.returncode != 0:
            raise LabError(f"the load generator failed: {complaint.decode(errors='replace').strip()}")
        return printed


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
