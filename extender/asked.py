"""The nodes that a scheduler asks about, as a whole: a list that is the same as a moment ago is not read again.

kube-scheduler sends thousands of names with each request. Two requests of one pod name the same nodes, and so do those
of a burst where it looks at every node; then comparing bytes takes the place of reading names, and of writing them: the
answer to /prioritize is a form in which only the scores are filled in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import repeat
from typing import Final

import numpy as np
from numpy.typing import NDArray

from extender.protocol import encode_neutral
from extender.roster import NOBODY, Roster, Rows, fragment_of
from model.score import BEST_SCORE, NEUTRAL_SCORE

LISTS_REMEMBERED: Final = 4
NEUTRAL_STEPS: Final = BEST_SCORE - NEUTRAL_SCORE

_SCORES: Final = range(BEST_SCORE, -1, -1)
_TENS: Final = np.array([ord("1" if score == 10 else " ") for score in _SCORES], np.uint8)
_ONES: Final = np.array([ord("0") + score % 10 for score in _SCORES], np.uint8)


class AskedNodes:
    """The names of one request, in their order; `raw` is the JSON array in which they came."""

    def __init__(self, raw: bytes, names: list[str]) -> None:
        self.raw = raw
        self.names = names
        self.rows: Rows = np.zeros(0, np.intp)
        """The rows of the names; `NOBODY` for those at the positions `unknown`."""
        self.unknown: Rows = self.rows
        self._version = -1
        self._form: NDArray[np.uint8] | None = None
        self._blanks: Rows = self.rows
        self._neutral = b""

    def neutral(self) -> bytes:
        """The answer to /prioritize where nothing is known, so that the scheduler's own plugins decide."""
        if not self._neutral:
            self._neutral = encode_neutral(self.names)
        return self._neutral

    def find(self, roster: Roster) -> None:
        """Find the rows of the names, unless they are known from the last time."""
        if self._version != roster.version:
            found = map(roster.rows.get, self.names, repeat(NOBODY))
            self.rows = np.fromiter(found, np.intp, len(self.names))
            self.unknown = np.flatnonzero(self.rows == NOBODY)
            self._version = roster.version

    def scored(self, roster: Roster, steps: Rows) -> bytes:
        """The answer to /prioritize, for so many steps below the best score at each position.

        Every node that was asked about is in it, in its order: one that is missing would lose every tie. A score of
        one digit has a blank in front, so that all are as long, and are filled into the same form.
        """
        if self._form is None:
            self._form, self._blanks = self._formed(roster)
        self._form[self._blanks] = _TENS[steps]
        self._form[self._blanks + 1] = _ONES[steps]
        return self._form.tobytes()

    def _formed(self, roster: Roster) -> tuple[NDArray[np.uint8], Rows]:
        """The answer without its scores, and where they come."""
        fragments = list(map(roster.fragments.__getitem__, self.rows.tolist()))
        lengths = roster.fragment_lengths[self.rows]
        for position in self.unknown.tolist():
            fragments[position] = fragment_of(self.names[position])
            lengths[position] = len(fragments[position])
        form = bytearray(b"".join([b"[", *fragments]))
        form[max(1, len(form) - 1) :] = b"]"  # in place of the last comma
        return np.frombuffer(form, np.uint8), np.cumsum(lengths) - len("xx},") + len("[")


class AskedLists:
    """The lists of the last requests; `read` makes names of what was not among them."""

    def __init__(self, read: Callable[[bytes], list[str]]) -> None:
        self._read = read
        self._last: deque[AskedNodes] = deque(maxlen=LISTS_REMEMBERED)

    def get(self, raw: bytes) -> AskedNodes:
        """Raises what `read` raises."""
        for asked in self._last:
            if asked.raw == raw:
                return asked
        asked = AskedNodes(raw, self._read(raw))
        self._last.appendleft(asked)
        return asked
