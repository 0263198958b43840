"""What is fuzzed: a function that takes any bytes and raises where a promise is broken."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


class PromiseBroken(AssertionError):
    """The message says which promise."""


@dataclass(frozen=True, slots=True)
class Target:
    """`check` is given what `shape` makes of the bytes; `seeds` are bytes to begin with, `words` go into texts."""

    name: str
    promise: str
    check: Callable[[bytes], None]
    shape: Callable[[bytes], bytes]
    seeds: Sequence[bytes]
    words: Sequence[str] = ()

    def __call__(self, data: bytes) -> None:
        self.check(self.shape(data))


def as_it_is(data: bytes) -> bytes:
    return data


def require(holds: bool, promise: str) -> None:
    if not holds:
        raise PromiseBroken(promise)


def settled(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that gives way at most, and never waits: no event loop is needed."""
    try:
        while True:
            work.send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return] # a coroutine's result
    finally:
        work.close()


class Mistakes(logging.Handler):
    """Whatever Stoker catches and logs with a traceback, so that one bad object or request stops nothing else."""

    def __init__(self, *rooms: str) -> None:
        super().__init__(logging.ERROR)
        self._caught: list[BaseException] = []
        for room in rooms:
            logging.getLogger(room).addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1]:
            self._caught.append(record.exc_info[1])

    def require_none(self) -> None:
        caught, self._caught = self._caught, []
        if caught:
            raise PromiseBroken(f"nothing is caught that nobody expected: {caught[0]!r}") from caught[0]
