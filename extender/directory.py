"""Names found by the thousand: as words of eight bytes, straight from the JSON, without a string for each.

With each pod a scheduler sends thousands of names, in another order every time. To look one up in a dictionary is to
wait for several places of memory in turn, which no cache holds; here a processor fetches those of many names at once.
What is not found so is looked up by itself: the outcome is always the dictionary's.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from extender.columns import LEAST_CAPACITY, NOBODY, Rows

SLOTS_PER_ROW: Final = 8
"""A power of two, as every capacity is."""

CHOICES: Final = 2
"""Slots that may be a name's. The first is another's for one of twenty names, both for one of several hundred."""

WORD_BYTES: Final = 8
MOST_WORDS: Final = 32
"""255 bytes and a zero: no name of a node is longer than 253 (DNS subdomain)."""

_QUOTE: Final = ord('"')
_BETWEEN: Final = len('","')
_FACTORS: Final = np.frombuffer(
    hashlib.shake_128(b"the slots of names").digest(CHOICES * MOST_WORDS * WORD_BYTES), np.uint64
).reshape(CHOICES, MOST_WORDS) | np.uint64(1)
"""Any odd numbers without a pattern: multiply-shift hashing (Dietzfelbinger and others, 1997)."""


@dataclass(frozen=True, slots=True)
class Spelling:
    """Where in a JSON array its names begin, and how many bytes they have."""

    raw: bytes
    begins: Rows
    lengths: Rows

    def names(self, positions: Rows) -> list[str]:
        begins, lengths = self.begins[positions].tolist(), self.lengths[positions].tolist()
        return [self.raw[begin : begin + length].decode() for begin, length in zip(begins, lengths, strict=True)]


def spelling_of(raw: bytes) -> Spelling | None:
    """Of valid JSON; None where names have to be read: escapes, blanks, anything beyond ASCII, no array of strings."""
    if not (raw.startswith(b'["') and raw.endswith(b'"]') and raw.isascii()) or b"\\" in raw:
        return None
    quotes = (np.frombuffer(raw, np.uint8) == _QUOTE).nonzero()[0]
    begins, ends = quotes[0::2] + 1, quotes[1::2]
    if (begins[1:] - ends[:-1] != _BETWEEN).any():
        return None
    return Spelling(raw, begins, ends - begins)


class RowsByName(dict[str, int]):
    """What is asked for in brackets and is not there is `NOBODY`."""

    def __missing__(self, name: str) -> int:
        return NOBODY


class Directory:
    """The rows of names, `by_name` and as words.

    A name is zeros behind its end, one at least, so that a longer one of which it is the beginning is not taken for it.
    It is in one of its slots, unless they are others'.
    """

    def __init__(self) -> None:
        self.by_name = RowsByName()
        self._new: dict[int, str] = {}
        """By row the names that have no words yet: thousands come at once."""
        self._words: NDArray[np.uint64] = np.zeros((LEAST_CAPACITY, 1), np.uint64)
        self._masks = _masks(1)
        self._spread()

    def add(self, name: str, row: int) -> None:
        self.by_name[name] = row
        self._new[row] = name

    def remove(self, name: str) -> None:
        row = self.by_name.pop(name)
        if self._new.pop(row, None) is not None:
            return
        for choice in range(CHOICES):
            [slot] = self._slots_of(self._words[row : row + 1], choice)
            if self._slots[slot] == row:
                self._slots[slot] = NOBODY
        self._words[row] = 0

    def grow(self, capacity: int) -> None:
        """Have room for rows up to a capacity."""
        self._words = np.pad(self._words, ((0, capacity - len(self._words)), (0, 0)))
        self._spread()

    def find(self, spelling: Spelling) -> Rows:
        """The rows of the names, in their order; `NOBODY` for those that are not there."""
        self._take_in()
        words = self._words_of(spelling)
        rows = self._slots.take(self._slots_of(words, 0)).astype(np.intp)
        left = self._unlike(rows, words)
        rows[left] = self._slots.take(self._slots_of(words[left], 1))
        left = left[self._unlike(rows[left], words[left])]
        rows[left] = [self.by_name.get(name, NOBODY) for name in spelling.names(left)]
        return rows

    def _unlike(self, rows: Rows, words: NDArray[np.uint64]) -> Rows:
        """The positions at which a row's name is another."""
        is_unlike = np.zeros(len(rows), bool)
        is_unlike[(self._words.take(rows, axis=0) != words).ravel().nonzero()[0] // words.shape[1]] = True
        return is_unlike.nonzero()[0]

    def _words_of(self, spelling: Spelling) -> NDArray[np.uint64]:
        """Each name's bytes and what follows them, and of that only what is the name's."""
        size = self._words.shape[1] * WORD_BYTES
        followed = spelling.raw + bytes(size)
        texts = np.ndarray(len(spelling.raw), f"V{size}", followed, strides=(1,))[spelling.begins]
        words = texts.view(np.uint64).reshape(-1, self._words.shape[1])
        words &= self._masks.take(np.minimum(spelling.lengths, size), axis=0)
        return words

    def _slots_of(self, words: NDArray[np.uint64], choice: int) -> Rows:
        return (words @ _FACTORS[choice, : words.shape[1]] >> self._shift).astype(np.intp)

    def _take_in(self) -> None:
        """Put the new names into words, but for those that are too long."""
        texts = {row: name.encode() for row, name in self._new.items()}
        self._new.clear()
        fitting = {row: text for row, text in texts.items() if len(text) < MOST_WORDS * WORD_BYTES}
        if not fitting:
            return
        count = max(map(len, fitting.values())) // WORD_BYTES + 1
        missing = count - self._words.shape[1]
        if missing > 0:
            self._words = np.pad(self._words, ((0, 0), (0, missing)))
            self._masks = _masks(count)
        rows, size = np.array(list(fitting), np.intp), self._words.shape[1] * WORD_BYTES
        zeroed = b"".join([text.ljust(size, b"\0") for text in fitting.values()])
        self._words[rows] = np.frombuffer(zeroed, np.uint64).reshape(len(rows), -1)
        self._settle(rows)

    def _settle(self, rows: Rows) -> None:
        """Give each of these rows a slot that is nobody's, if it has one."""
        for choice in range(CHOICES):
            slots = self._slots_of(self._words[rows], choice)
            is_free = self._slots[slots] == NOBODY
            self._slots[slots[is_free]] = rows[is_free]
            rows = rows[self._slots[slots] != rows]

    def _spread(self) -> None:
        """Give all names their slots anew."""
        slots = len(self._words) * SLOTS_PER_ROW
        self._shift = np.uint64(64 - slots.bit_length() + 1)
        self._slots: NDArray[np.int32] = np.full(slots, NOBODY, np.int32)
        self._settle(np.flatnonzero(self._words.any(axis=1)))


def _masks(count: int) -> NDArray[np.uint64]:
    """For each length as many bytes of ones, in so many words."""
    size = count * WORD_BYTES
    return (np.tri(size + 1, size, -1, np.uint8) * np.uint8(255)).view(np.uint64)
