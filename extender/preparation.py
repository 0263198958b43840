"""The seconds until a node could begin with a pod of a runtime handler: the terms node, runtime and settle, by row.

On most nodes they are constant. Where a node boots, installs or settles they change with the clock, during a rollout
for a whole fleet at once, so these rows are worked out together at each request. Everything is what the functions of
`model.terms` say, to the last bit.
"""

from __future__ import annotations

from functools import reduce
from math import inf
from typing import Final

import numpy as np
from numpy.typing import NDArray

from extender.columns import Floats, Rows
from extender.roster import Roster
from model.nodes import NodeFacts
from model.profiles import ProfileSpec
from model.runtime import (
    HANDLER_WAIT_SECONDS,
    INSTALL_SECONDS,
    OVERDUE_LEAST_SECONDS,
    OVERDUE_MOST_SECONDS,
    RuntimeState,
    installing_since,
    runtime_on,
)
from model.terms import (
    BOOT_SECONDS,
    CLOCK_SKEW_SECONDS,
    SANDBOX_RETRY_SECONDS,
    node_term,
    runtime_term,
    settle_term,
    settle_windows,
)

STAGES: Final = 2
"""Waited for one after the other: the node, then its runtime."""

WINDOWS: Final = 3
"""A node has at most so many settle windows at a time: restarted, failing, installed."""

NO_WINDOWS: Final = [(-inf, 0)] * WINDOWS

NEVER_BEGAN: Final = inf
"""The beginning of a stage that does not go by: its seconds are a constant."""


class Preparation:
    """The column for one handler and one profile; `inf` where the pod can never start, or where there is no node."""

    def __init__(self, roster: Roster, handler: str, profile: ProfileSpec) -> None:
        self.evaluated = 0
        """How often a row was worked out by itself."""

        self.revision = 0
        """Changes whenever the column does."""

        self._roster = roster
        self._handler = handler
        self._profile = profile
        self._now = -inf
        self._read = -1
        self._start_over()

    def at(self, now: float) -> Floats:
        """The column at `now`; it is valid until the next call."""
        self.catch_up(now)
        timed = self._timed.nonzero()[0]
        if timed.size:
            for row in timed[now - self._recent[timed] >= HANDLER_WAIT_SECONDS].tolist():
                self._place(row, now)
            self._advance(timed[self._timed[timed]], now)
        return self._seconds

    def catch_up(self, now: float) -> None:
        """Take in the nodes that changed, as of `now`."""
        roster = self._roster
        if now < self._now or len(self._seconds) != roster.capacity:
            self._start_over()
        changed = roster.changes.since(self._read)
        self._read, self._now = roster.changes.end, now
        for row in roster.known() if changed is None else changed:
            self._place(row, now)

    def _start_over(self) -> None:
        self.revision += 1
        capacity = self._roster.capacity
        self._now = -inf
        self._read = -1
        self._seconds: Floats = np.full(capacity, inf)
        self._timed: NDArray[np.bool_] = np.zeros(capacity, np.bool_)
        self._recent: Floats = np.full(capacity, inf)
        """For how long the runtime is expected depends on this instant; `inf` where on none."""
        self._expected: Floats = np.zeros((STAGES, capacity))
        """How long each stage takes, and since when it has been going on."""
        self._since: Floats = np.full((STAGES, capacity), NEVER_BEGAN)
        self._settle: Floats = np.zeros(capacity)
        """The settle term where no window is open."""
        self._began: Floats = np.full((WINDOWS, capacity), -inf)
        self._window: Floats = np.zeros((WINDOWS, capacity))

    def _place(self, row: int, now: float) -> None:
        """Work out one row as of `now`, and note by what it will change."""
        seconds = self._worked_out(row, now)
        if seconds != self._seconds[row]:
            self._seconds[row] = seconds
            self.revision += 1

    def _worked_out(self, row: int, now: float) -> float:
        self._timed[row] = False
        self._recent[row] = inf
        node = self._roster.facts[row]
        if node is None:
            return inf
        self.evaluated += 1
        runtime = runtime_on(node, self._handler, now)
        if runtime.state is RuntimeState.ABSENT:
            return inf
        node_seconds, runtime_seconds = node_term(node, now).seconds, runtime_term(node, runtime, now).seconds
        settle = settle_term(node, runtime, self._profile, now).seconds
        boots, installs = node.ready is False, runtime.state is RuntimeState.INSTALLING
        windows = [] if installs else _open_windows(node, self._profile, now)
        if boots or installs or windows:
            self._timed[row] = True
            self._recent[row] = _oldest_recent(node, now) if installs else inf
            stages = (
                (BOOT_SECONDS, node.created) if boots else (node_seconds, NEVER_BEGAN),
                (INSTALL_SECONDS, installing_since(node)) if installs else (runtime_seconds, NEVER_BEGAN),
            )
            self._expected[:, row], self._since[:, row] = zip(*stages, strict=True)
            self._settle[row] = 0.0 if windows else settle
            self._began[:, row], self._window[:, row] = zip(*(*windows, *NO_WINDOWS)[:WINDOWS], strict=True)
        return node_seconds + runtime_seconds + settle

    def _advance(self, rows: Rows, now: float) -> None:
        """The three terms of `model.terms` for many rows; where nothing changes by the clock any more, that is the last
        time.
        """
        expected, since = self._expected.take(rows, axis=1), self._since.take(rows, axis=1)
        elapsed = np.maximum(0.0, now - since)
        left = expected - elapsed
        overdue = np.minimum(np.maximum(elapsed - expected, OVERDUE_LEAST_SECONDS), OVERDUE_MOST_SECONDS)
        stages = np.where((left >= OVERDUE_LEAST_SECONDS) | (since == NEVER_BEGAN), left, overdue)
        began, window = self._began.take(rows, axis=1), self._window.take(rows, axis=1)
        unsettled = np.maximum(0.0, window - np.maximum(0.0, now - began))
        unsettled = reduce(np.maximum, np.where(began - now > CLOCK_SKEW_SECONDS, 0.0, unsettled))
        settle = np.where(unsettled > 0.0, unsettled + SANDBOX_RETRY_SECONDS, self._settle[rows])
        seconds = stages[0] + stages[1] + settle
        self.revision += bool((seconds != self._seconds[rows]).any())
        self._seconds[rows] = seconds
        stands = (since == NEVER_BEGAN) | (elapsed - expected >= OVERDUE_MOST_SECONDS)
        is_over = reduce(np.logical_and, (*stands, *(window <= now - began), self._recent[rows] == inf))
        self._timed[rows[is_over]] = False


def _open_windows(node: NodeFacts, profile: ProfileSpec, now: float) -> list[tuple[float, int]]:
    """Since when and for how long; none where a restart is still to come, which keeps the settle term as it is."""
    if node.installer is not None and node.installer.started is None and not node.installer.ready:
        return []
    windows = [(began, window) for began, window, _ in settle_windows(node, profile, now) if began is not None]
    return windows if any(window > now - began for began, window in windows) else []


def _oldest_recent(node: NodeFacts, now: float) -> float:
    """The instant after which the runtime is expected for a while, and which is forgotten next; `inf` for none."""
    instants = (node.kata_labelled, node.installer.started if node.installer else None)
    recent = (instant for instant in instants if instant is not None and now - instant < HANDLER_WAIT_SECONDS)
    return min(recent, default=inf)
