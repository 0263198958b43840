"""One node's starts, computed: what the simulation would make of these pods, bound there at these moments.

It follows lab/simulation/starts.py stage by stage with the same formulas and the same draws of chance, in no time and
without the API. Trials are replayed with their own bindings to prove it: what differs is the machine's lateness.
"""

from __future__ import annotations

import heapq
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import count
from math import inf

from lab.scenarios.laws import Candidate, Container, Laws
from lab.scenarios.machines import Machine
from lab.simulation.physics import PullWork
from lab.simulation.pulls import Download, FinishedPull, PullLine


@dataclass(frozen=True, slots=True)
class Start:
    """How one went. `ready` is a moment, infinite where it never was."""

    ready: float
    failed_sandboxes: int


_Wish = float | Download
_Way = Generator[_Wish, float, None]
"""One pod's way: it yields the moment that it waits for, or the pull, and is sent the moment at which that is over."""

_Pending = tuple[float, int, _Way]
_NEVER = Start(inf, 0)


class Replay:
    """Runs the pods of one machine, once."""

    def __init__(self, laws: Laws, machine: Machine) -> None:
        self._laws = laws
        self._machine = machine
        self._line = PullLine(laws.physics.constants.pull.parallel)
        self._images = set(machine.images)
        self._starting = 0
        self._numbers = count()
        self._pending: list[_Pending] = []
        self._pulling: dict[str, _Way] = {}
        self._starts: dict[int, Start] = {}

    def run(self, bindings: Sequence[tuple[Candidate, float]]) -> list[Start]:
        """The starts of pods bound at these moments, in their order."""
        for index, (pod, at) in enumerate(bindings):
            way = self._way(index, pod)
            next(way)
            self._push(at, way)
        outages = [outage for outage in sorted(self._machine.outages) if bindings]
        while self._pending or self._pulling:
            moment = self._next_moment()
            if outages and outages[0][0] <= moment:
                self._wake(self._line.freeze(*outages.pop(0)))
            elif moment == inf:
                break
            elif self._pending and self._pending[0][0] <= moment:
                self._go_on(*heapq.heappop(self._pending))
            else:
                self._wake(self._line.advance(moment))
        return [self._starts.get(index, _NEVER) for index in range(len(bindings))]

    def _next_moment(self) -> float:
        change = self._line.next_change()
        return min(self._pending[0][0] if self._pending else inf, inf if change is None else change)

    def _push(self, at: float, way: _Way) -> None:
        heapq.heappush(self._pending, (at, next(self._numbers), way))

    def _go_on(self, at: float, _: int, way: _Way) -> None:
        self._wake(self._line.advance(at))
        try:
            wish = way.send(at)
        except StopIteration:
            return
        if isinstance(wish, Download):
            key = str(next(self._numbers))
            self._pulling[key] = way
            self._wake(self._line.request(at, key, wish))
        else:
            self._push(wish, way)

    def _wake(self, finished: Sequence[FinishedPull]) -> None:
        for pull in finished:
            self._push(pull.ended, self._pulling.pop(pull.key))

    def _way(self, index: int, pod: Candidate) -> _Way:
        at = yield inf  # until it is bound
        self._starting += 1
        failed = 0
        while self._machine.refuses(at):
            if self._machine.installed == inf:
                return
            failed += 1
            at = yield at + self._laws.retry_seconds(pod, failed)
        settling = at < self._machine.stalls_until(at)
        at = yield at + self._laws.sandbox_seconds(pod, settling=settling)
        at = yield from self._ensure_image(pod.init, at)
        at = yield at + self._laws.init_seconds(pod)
        at = yield from self._ensure_image(pod.main, at)
        at = yield at + self._laws.application_seconds(pod, self._machine, self._starting)
        at = yield at + self._laws.ready_seconds(pod)
        self._starting -= 1
        self._starts[index] = Start(at, failed)

    def _ensure_image(self, container: Container, at: float) -> Generator[_Wish, float, float]:
        if container.image in self._images and not container.always_pulls:
            return at
        while (end := self._machine.stalls_until(at)) > at:
            at = yield end
        return (yield self._download(container))

    def _download(self, container: Container) -> Download:
        def work() -> PullWork:
            return self._laws.pull_work(container, self._machine, present=container.image in self._images)

        return Download(work, lambda _: self._images.add(container.image))
