"""The seconds until a node could begin with a pod of a runtime handler: the terms node, runtime and settle, by row.

On most nodes they are constant. Where a settle window is open they fall with the clock, for a whole fleet at once after
a rollout, so these rows are worked out together at each request. The few nodes that boot or install are asked one by
one. Everything is what the functions of `model.terms` say, to the last bit.
"""

from __future__ import annotations

from math import inf
from typing import Final

import numpy as np
from numpy.typing import NDArray

from extender.columns import Floats, Rows
from extender.roster import Roster
from model.nodes import NodeFacts
from model.profiles import ProfileSpec
from model.runtime import OVERDUE_MOST_SECONDS, RuntimeState, runtime_on
from model.terms import (
    CLOCK_SKEW_SECONDS,
    SANDBOX_RETRY_SECONDS,
    node_term,
    runtime_term,
    settle_term,
    settle_windows,
)

WINDOWS: Final = 3
"""A node has at most so many settle windows at a time: restarted, failing, installed."""


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
        roster = self._roster
        if now < self._now or len(self._seconds) != roster.capacity:
            self._start_over()
        changed = roster.changes.since(self._read)
        self._read, self._now = roster.changes.end, now
        for row in roster.known() if changed is None else changed:
            self._place(row, now)
        for row in list(self._moving):
            self._place(row, now)
        settling = self._settling.nonzero()[0]
        if settling.size:
            self._settle(settling, now)
        return self._seconds

    def _start_over(self) -> None:
        self.revision += 1
        capacity = self._roster.capacity
        self._now = -inf
        self._read = -1
        self._seconds: Floats = np.full(capacity, inf)
        self._moving: set[int] = set()
        self._settling: NDArray[np.bool_] = np.zeros(capacity, np.bool_)
        self._before_settling: Floats = np.zeros(capacity)
        self._began: Floats = np.full((WINDOWS, capacity), -inf)
        self._window: Floats = np.zeros((WINDOWS, capacity))

    def _place(self, row: int, now: float) -> None:
        seconds = self._worked_out(row, now)
        if seconds != self._seconds[row]:
            self._seconds[row] = seconds
            self.revision += 1

    def _worked_out(self, row: int, now: float) -> float:
        """One row's seconds; and see by what they will change: by the clock, by settle windows, or not at all."""
        self._moving.discard(row)
        self._settling[row] = False
        node = self._roster.facts[row]
        if node is None:
            return inf
        self.evaluated += 1
        runtime = runtime_on(node, self._handler, now)
        if runtime.state is RuntimeState.ABSENT:
            return inf
        before = node_term(node, now).seconds + runtime_term(node, runtime, now).seconds
        if runtime.state is RuntimeState.INSTALLING or _is_booting(node, now) or _awaits_restart(node):
            self._moving.add(row)
            return before + settle_term(node, runtime, self._profile, now).seconds
        windows = [
            (began, window) for began, window, _ in settle_windows(node, self._profile, now) if began is not None
        ]
        if any(window > now - began for began, window in windows):
            self._open_windows(row, before, windows)
        return before

    def _open_windows(self, row: int, before: float, windows: list[tuple[float, int]]) -> None:
        self._settling[row] = True
        self._before_settling[row] = before
        for index in range(WINDOWS):
            self._began[index, row], self._window[index, row] = windows[index] if index < len(windows) else (-inf, 0)

    def _settle(self, rows: Rows, now: float) -> None:
        """The settle term of `model.terms` for many rows."""
        began, window = self._began[:, rows], self._window[:, rows]
        left = np.maximum(0.0, window - np.maximum(0.0, now - began))
        left = np.where(began - now > CLOCK_SKEW_SECONDS, 0.0, left).max(axis=0)
        settle = np.where(left > 0.0, left + SANDBOX_RETRY_SECONDS, 0.0)
        seconds = self._before_settling[rows] + settle
        self.revision += bool((seconds != self._seconds[rows]).any())
        self._seconds[rows] = seconds
        is_over = (window <= now - began).all(axis=0)
        self._settling[rows[is_over]] = False


def _is_booting(node: NodeFacts, now: float) -> bool:
    """Not ready, and not for so long that its forecast has stopped growing."""
    return node.ready is False and node_term(node, now).seconds < OVERDUE_MOST_SECONDS


def _awaits_restart(node: NodeFacts) -> bool:
    return node.installer is not None and node.installer.started is None and not node.installer.ready
