"""The fleet as rows: each node has a number, and what the scores need of it stands in columns under that number.

A column (an array by row) lets a request look at thousands of nodes in a few operations, where a loop in Python would
take longer than the rest of the answer (docs/decisions/0012). The rows follow the fleet lazily: a change only notes the
node's name, and `refresh` takes the noted ones in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from cluster.fleet import Fleet
from extender.columns import LEAST_CAPACITY, NOBODY, Floats, Rows
from extender.directory import Directory
from model.nodes import NodeFacts

BLANK: Final = ord(" ")
SPARE_ARCHITECTURES: Final = 32
"""So many more than twice those in use are numbered before those that no node has any more are forgotten."""


class Journal:
    """The rows that changed, in the order of their changes; each reader remembers how far it has read."""

    def __init__(self) -> None:
        self._rows: list[int] = []
        self._dropped = 0

    @property
    def end(self) -> int:
        return self._dropped + len(self._rows)

    def add(self, row: int) -> None:
        self._rows.append(row)

    def since(self, position: int) -> set[int] | None:
        """The rows that changed since a reader's position; None where so much has changed that it must read all."""
        if position < self._dropped:
            return None
        return set(self._rows[position - self._dropped :])

    def shorten(self, longest: int) -> None:
        """Forget the older half of what is longer than `longest`."""
        if len(self._rows) > longest:
            half = len(self._rows) // 2
            del self._rows[:half]
            self._dropped += half


class Roster:
    """The nodes by row.

    `changes` tells the rows whose facts changed, `pull_changes` those of them where it matters to pulls. `version`
    changes when a name gets a row or loses it, and `capacity` grows when there are more nodes than rows.
    `on_departure` is told a row whose node is gone, at once: the row may become another node's.
    """

    def __init__(self, fleet: Fleet, on_departure: Callable[[int], None]) -> None:
        self.changes = Journal()
        self.pull_changes = Journal()
        self.directory = Directory()
        self.rows = self.directory.by_name
        self.version = 0
        self.capacity = LEAST_CAPACITY
        self.facts: list[NodeFacts | None] = [None] * LEAST_CAPACITY
        self.lines: NDArray[np.uint8] = np.full((LEAST_CAPACITY, len(line_of(""))), BLANK, np.uint8)
        """What the answer to /prioritize says of each node, with blanks in front, so that all are as long."""
        self.quoted: NDArray[np.uint8] = np.full((LEAST_CAPACITY, len(quoted(""))), BLANK, np.uint8)
        """The name of each node as JSON and a comma, in the same way."""
        self.starting: Floats = np.zeros(LEAST_CAPACITY)
        self.architecture: Rows = np.zeros(LEAST_CAPACITY, np.intp)
        self.architectures = {"": 0}
        """The numbers in the column `architecture`; another dictionary when they are given anew."""
        self._most_architectures = SPARE_ARCHITECTURES
        self._fleet = fleet
        self._on_departure = on_departure
        self._free = list(range(LEAST_CAPACITY - 1, NOBODY, -1))
        self._stale = dict.fromkeys(fleet.names())
        self._pulling: set[int] = set()
        fleet.on_node_change(self._changed)
        fleet.on_size_change(self._size_changed)

    def refresh(self, most: int | None = None) -> None:
        """Take in the changes that were noted, or `most` of them; the oldest first."""
        if not self._stale:
            return
        for name in list(self._stale)[:most]:
            facts = self._fleet.node(name)
            del self._stale[name]
            if facts is not None:
                self._put(facts)
        self.changes.shorten(2 * self.capacity)
        self.pull_changes.shorten(2 * self.capacity)

    @property
    def is_fresh(self) -> bool:
        """Whether every change was taken in."""
        return not self._stale

    def known(self) -> range:
        """All rows that may be a node's."""
        return range(NOBODY + 1, self.capacity)

    def _changed(self, name: str) -> None:
        self._stale[name] = None
        row = self.rows.get(name)
        if row is not None and not self._fleet.has(name):
            self._depart(name, row)

    def _put(self, facts: NodeFacts) -> None:
        row = self.rows.get(facts.name)
        if row is None:
            row = self._arrive(facts.name)
        old = self.facts[row]
        if facts == old:
            return
        self.facts[row] = facts
        self.starting[row] = facts.starting
        self.architecture[row] = self._number_of(facts.architecture)
        (self._pulling.add if facts.pulling else self._pulling.discard)(row)
        self.changes.add(row)
        if old is None or _as_pulls_see(old) != _as_pulls_see(facts):
            self.pull_changes.add(row)

    def _number_of(self, architecture: str) -> int:
        if architecture not in self.architectures and len(self.architectures) >= self._most_architectures:
            self._number_anew()
        return self.architectures.setdefault(architecture, len(self.architectures))

    def _number_anew(self) -> None:
        """Forget what no node has any more: a node says itself what its architecture is, and may say much."""
        present = {"": None} | {facts.architecture: None for facts in self.facts if facts is not None}
        self.architectures = {architecture: number for number, architecture in enumerate(present)}
        self._most_architectures = 2 * len(present) + SPARE_ARCHITECTURES
        numbers = [0 if facts is None else self.architectures[facts.architecture] for facts in self.facts]
        self.architecture[:] = numbers

    def _arrive(self, name: str) -> int:
        if not self._free:
            self._grow()
        row = self._free.pop()
        self.directory.add(name, row)
        self.lines = _written(self.lines, row, line_of(name))
        self.quoted = _written(self.quoted, row, quoted(name))
        self.version += 1
        return row

    def _depart(self, name: str, row: int) -> None:
        self.directory.remove(name)
        self.facts[row] = None
        self.starting[row] = 0.0
        self._pulling.discard(row)
        self._free.append(row)
        self.version += 1
        self.changes.add(row)
        self.pull_changes.add(row)
        self._on_departure(row)

    def _grow(self) -> None:
        more = self.capacity
        self._free = list(range(2 * more - 1, more - 1, -1))
        self.facts += [None] * more
        self.lines = np.pad(self.lines, ((0, more), (0, 0)), constant_values=BLANK)
        self.quoted = np.pad(self.quoted, ((0, more), (0, 0)), constant_values=BLANK)
        self.starting = np.concatenate([self.starting, np.zeros(more)])
        self.architecture = np.concatenate([self.architecture, np.zeros(more, np.intp)])
        self.capacity += more
        self.directory.grow(self.capacity)

    def _size_changed(self, image: str, architecture: str) -> None:
        """A pull waits behind those that run on its node already: their sizes count for every pod there."""
        for row in self._pulling:
            facts = self.facts[row]
            if facts is not None and image in facts.pulling and facts.architecture == architecture:
                self.pull_changes.add(row)


def line_of(name: str) -> bytes:
    """A HostPriority of the extender's protocol and a comma, with blanks for a score of two characters."""
    return b'{"Host":%b,"Score":  },' % msgspec.json.encode(name)


def quoted(name: str) -> bytes:
    """A name in a JSON array."""
    return msgspec.json.encode(name) + b","


def _written(lines: NDArray[np.uint8], row: int, line: bytes) -> NDArray[np.uint8]:
    """With this line in the row, wider where it has to be."""
    wider = len(line) - lines.shape[1]
    if wider > 0:
        lines = np.pad(lines, ((0, 0), (wider, 0)), constant_values=BLANK)
    lines[row] = np.frombuffer(line.rjust(lines.shape[1]), np.uint8)
    return lines


def _as_pulls_see(facts: NodeFacts) -> tuple[object, ...]:
    """The facts that the pull term reads."""
    return facts.images, facts.pulling, facts.architecture, facts.smallest_reported_bytes, facts.images_reported
