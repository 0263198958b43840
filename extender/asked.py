"""The nodes that a scheduler asks about, as a whole: a list that is the same as a moment ago is not looked at again.

kube-scheduler sends thousands of names with each request. The two requests of one pod name the same nodes: for the
second, comparing bytes takes the place of finding them. Where one list is asked about again and again, so does filling
in scores of writing the answer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from extender.columns import NOBODY, Rows
from extender.directory import spelling_of
from extender.protocol import HostPriority, encode_filter_result, encode_neutral
from extender.roster import Roster
from model.errors import InvalidRequest
from model.score import BEST_SCORE, NEUTRAL_SCORE

LISTS_REMEMBERED: Final = 4

MOST_NAMES: Final = 262_144
"""Of one request; Kubernetes has 5,000 nodes at most by its own account. A body of 8 MiB may name 2.8 million; to
find a name takes up to a KiB, and its score 20 bytes."""

_LEAST_NAME_BYTES: Final = len('"",')

NEUTRAL_STEPS: Final = BEST_SCORE - NEUTRAL_SCORE

_TENS_AT: Final = -len("10},")
_ONES_AT: Final = -len("0},")
"""Where in the line of a node its score has its digits."""

_SCORES: Final = range(BEST_SCORE, -1, -1)
_TENS: Final = np.array([ord("1" if score == 10 else " ") for score in _SCORES], np.uint8)
_ONES: Final = np.array([ord("0") + score % 10 for score in _SCORES], np.uint8)


class Names:
    """The names in a JSON array; where they are spelled plainly, they are read when somebody looks at them."""

    def __init__(self, raw: bytes, read: Callable[[bytes], list[str]]) -> None:
        """Raises what `read` raises."""
        self.spelling = spelling_of(raw)
        self._raw = raw
        self._read = read
        self._names = None if self.spelling else read(raw)

    def __iter__(self) -> Iterator[str]:
        if self._names is None:
            self._names = self._read(self._raw)
        return iter(self._names)


class AskedNodes:
    """The names of one request, in their order; `raw` is the JSON array in which they came, and `read` its reader."""

    def __init__(self, raw: bytes, read: Callable[[bytes], list[str]]) -> None:
        """Raises what `read` raises."""
        self.raw = raw
        self.names = Names(raw, read)
        self.rows: Rows = np.zeros(0, np.intp)
        """The rows of the names; `NOBODY` for those at the positions `unknown`."""
        self.unknown: Rows = self.rows
        self._version = -1
        self._form: NDArray[np.uint8] | None = None
        self._neutral = b""

    def neutral(self) -> bytes:
        """The answer to /prioritize where nothing is known, so that the scheduler's own plugins decide."""
        if not self._neutral:
            self._neutral = encode_neutral(list(self.names))
        return self._neutral

    def passed(self) -> bytes:
        """The answer to /filter where none is refused: the names go back as they came."""
        return encode_filter_result(self.raw)

    def filtered(self, roster: Roster, refused: NDArray[np.bool_], reason: str) -> bytes:
        """The answer to /filter that refuses the nodes at these positions. As in `scored`, lines of the roster make the
        answer where all nodes are known.
        """
        if self.unknown.size:
            sides: tuple[list[str], list[str]] = [], []
            for name, is_refused in zip(self.names, refused.tolist(), strict=True):
                sides[is_refused].append(name)
            encode = msgspec.json.encode
            return encode_filter_result(encode(sides[False]), encode(dict.fromkeys(sides[True], reason)))
        passing = roster.quoted.take(self.rows[~refused], axis=0).tobytes()
        names = roster.quoted.take(self.rows[refused], axis=0)[:, :-1]
        because = np.frombuffer(b":%b," % msgspec.json.encode(reason), np.uint8)
        lines = np.hstack((names, np.broadcast_to(because, (len(names), len(because))))).tobytes()
        return encode_filter_result(b"[%b]" % passing[:-1], b"{%b}" % lines[:-1])

    def find(self, roster: Roster) -> None:
        """Find the rows of the names, unless they are known from the last time."""
        if self._version != roster.version:
            spelling = self.names.spelling
            if spelling is None:
                self.rows = np.fromiter(map(roster.rows.__getitem__, self.names), np.intp)
            else:
                self.rows = roster.directory.find(spelling)
            self.unknown = (self.rows == NOBODY).nonzero()[0]
            self._version = roster.version

    def scored(self, roster: Roster, steps: Rows) -> bytes:
        """The answer to /prioritize, for so many steps below the best score at each position.

        Every node that was asked about is in it, in its order: one that is missing would lose every tie. Where all are
        known, their lines of the roster are a form in which only the scores are filled in.
        """
        if self.unknown.size:
            return msgspec.json.encode(list(map(HostPriority, self.names, (BEST_SCORE - steps).tolist())))
        if self._form is None:
            self._form = roster.lines.take(self.rows, axis=0)
        self._form[:, _TENS_AT] = _TENS[steps]
        self._form[:, _ONES_AT] = _ONES[steps]
        lines = self._form.reshape(-1)
        return b"".join((b"[", lines[:-1].data, b"]"))  # but the last comma


class AskedLists:
    """The lists of the last requests; `read` makes names of what was not among them."""

    def __init__(self, read: Callable[[bytes], list[str]]) -> None:
        self._read = read
        self._last: deque[AskedNodes] = deque(maxlen=LISTS_REMEMBERED)

    def get(self, raw: bytes) -> AskedNodes:
        """Raises what `read` raises, and InvalidRequest where more are named than there can be."""
        for asked in self._last:
            if asked.raw == raw:
                return asked
        if len(raw) > _LEAST_NAME_BYTES * MOST_NAMES and raw.count(b'"') > 2 * MOST_NAMES:
            text = f"more than {MOST_NAMES} nodes are named; ask about the nodes of one cluster"
            raise InvalidRequest(text, status=413, reason="too_many_nodes")
        asked = AskedNodes(raw, self._read)
        self._last.appendleft(asked)
        return asked
