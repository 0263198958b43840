"""The pulls of one node: a queue, and a rate that those running share."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from lab.simulation.clock import Clock
from lab.simulation.physics import PullWork

_EPSILON = 1e-9


@dataclass(frozen=True, slots=True)
class Download:
    """What a pull is to do."""

    work: Callable[[], PullWork]
    """Asked when its turn comes: by then another pull may have brought the image."""

    arrived: Callable[[float], None]
    """Told the moment of its end, before anybody's next turn."""


@dataclass(frozen=True, slots=True)
class FinishedPull:
    """A pull that is over; moments are model seconds."""

    key: str
    requested: float
    begun: float
    ended: float


@dataclass(slots=True)
class _Running:
    key: str
    requested: float
    begun: float
    fixed_left: float
    transfer_left: float
    download: Download


class PullLine:
    """First come first served, with `parallel` places that share the transfer rate. Pure: time is told to it.

    A pull first takes its fixed seconds, at full speed whatever else runs, then its transfer seconds, at 1/n of the
    speed while n pulls transfer. Within a freeze (containerd is down) nothing moves.
    """

    def __init__(self, parallel: int) -> None:
        self._parallel = parallel
        self._now = float("-inf")
        self._frozen_until = float("-inf")
        self._waiting: deque[tuple[str, float, Download]] = deque()
        self._running: list[_Running] = []

    def request(self, at: float, key: str, download: Download) -> list[FinishedPull]:
        """Queue a pull; returns what has finished up to then. A time before the line's own counts as the line's own."""
        finished = self.advance(at)
        self._waiting.append((key, at, download))
        self._admit()
        return finished

    def freeze(self, at: float, until: float) -> list[FinishedPull]:
        finished = self.advance(at)
        self._frozen_until = max(self._frozen_until, until)
        return finished

    def withdraw(self, at: float, key: str) -> list[FinishedPull]:
        """Forget a pull that is still waiting; one that runs goes on, as in containerd."""
        finished = self.advance(at)
        self._waiting = deque(entry for entry in self._waiting if entry[0] != key)
        return finished

    def next_change(self) -> float | None:
        """The next moment at which something ends, if nothing else is asked for until then."""
        if not self._running:
            return None
        return max(self._now, self._frozen_until) + self._step()

    def advance(self, to: float) -> list[FinishedPull]:
        """Let time pass; returns the pulls that ended, in the order of their ends."""
        finished: list[FinishedPull] = []
        while (change := self.next_change()) is not None and change <= to:
            self._pass(change)
            finished.extend(self._finish())
            self._admit()
        self._pass(to)
        return finished

    def _step(self) -> float:
        transfers = sum(1 for pull in self._running if pull.fixed_left <= 0)
        return min(pull.fixed_left if pull.fixed_left > 0 else pull.transfer_left * transfers for pull in self._running)

    def _pass(self, to: float) -> None:
        if to <= self._now:
            return
        elapsed = max(0.0, to - max(self._now, self._frozen_until))
        transfers = sum(1 for pull in self._running if pull.fixed_left <= 0)
        for pull in self._running:
            if pull.fixed_left > 0:
                pull.fixed_left = _left(pull.fixed_left - elapsed)
            else:
                pull.transfer_left = _left(pull.transfer_left - elapsed / transfers)
        self._now = to

    def _finish(self) -> list[FinishedPull]:
        over = [pull for pull in self._running if pull.fixed_left <= 0 and pull.transfer_left <= 0]
        self._running = [pull for pull in self._running if pull not in over]
        for pull in over:
            pull.download.arrived(self._now)
        return [FinishedPull(pull.key, pull.requested, pull.begun, self._now) for pull in over]

    def _admit(self) -> None:
        while self._waiting and len(self._running) < self._parallel:
            key, requested, download = self._waiting.popleft()
            cost = download.work()
            fixed = max(cost.fixed_seconds, 2 * _EPSILON)
            begun = max(requested, self._now)
            self._running.append(_Running(key, requested, begun, fixed, _left(cost.transfer_seconds), download))


def _left(seconds: float) -> float:
    """Rounding must not leave a pull with a moment so short that adding it to the time changes nothing."""
    return seconds if seconds > _EPSILON else 0.0


class Puller:
    """Runs a PullLine in compressed time."""

    def __init__(self, clock: Clock, parallel: int) -> None:
        self._clock = clock
        self._line = PullLine(parallel)
        self._waiting: dict[str, asyncio.Future[FinishedPull]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._numbers = 0

    async def pull(self, at: float, download: Download) -> FinishedPull:
        """Wait for the turn and the transfer."""
        self._numbers += 1
        key = str(self._numbers)
        future: asyncio.Future[FinishedPull] = asyncio.get_running_loop().create_future()
        self._waiting[key] = future
        self._settle(self._line.request(at, key, download))
        try:
            return await future
        except asyncio.CancelledError:
            self._waiting.pop(key, None)
            self._settle(self._line.withdraw(self._clock.now(), key))
            raise

    def freeze(self, at: float, until: float) -> None:
        self._settle(self._line.freeze(at, until))

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _settle(self, finished: list[FinishedPull]) -> None:
        for pull in finished:
            future = self._waiting.pop(pull.key, None)
            if future is not None and not future.done():
                future.set_result(pull)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        change = self._line.next_change()
        if change is not None:
            delay = self._clock.wall_seconds_until(change)
            self._timer = asyncio.get_running_loop().call_later(delay, self._tick, change)

    def _tick(self, change: float) -> None:
        """The line is told the moment that was waited for, not the wall's, which a busy machine lets run ahead.

        Else what pods ask for at once after it, and as late as we are, would begin late too.
        """
        self._settle(self._line.advance(change))
