"""What a run of many inputs measures: how many, how fast, the slowest of them, and what memory they left taken."""

from __future__ import annotations

import functools
import gc
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

EVERY: Final = 1_000
"""Inputs between two looks at the memory."""

WARM_SHARE: Final = 0.25
"""Of the inputs, after which nothing may grow any more: what is made once has been made."""


class Measures:
    """Is told of inputs one by one by `took`; the figures stand in `file`, as of the last look.

    `memory` tells the blocks that Python's objects take, and the resident mebibytes.
    """

    def __init__(self, file: Path, inputs: int, memory: Callable[[], tuple[int, float]] | None = None) -> None:
        self.inputs = 0
        self._memory = memory or own_memory
        self._file = file
        self._warm = inputs * WARM_SHARE
        self._started = time.perf_counter()
        self._slowest: tuple[float, str] = (0.0, "")
        self._blocks_when_warm = 0
        self._mebibytes_when_warm = 0.0

    def took(self, seconds: float, told: bytes) -> None:
        """An input took so long; `told` says which it was."""
        self.inputs += 1
        if seconds > self._slowest[0]:
            self._slowest = seconds, told.hex()
        if self.inputs % EVERY == 0:
            self.look()

    def look(self) -> None:
        blocks, mebibytes = self._memory()
        if self.inputs <= self._warm:
            self._blocks_when_warm, self._mebibytes_when_warm = blocks, mebibytes
        figures = {
            "inputs": self.inputs,
            "seconds": time.perf_counter() - self._started,
            "slowest_seconds": self._slowest[0],
            "slowest_input": self._slowest[1],
            "blocks_grown": blocks - self._blocks_when_warm,
            "resident_mebibytes": mebibytes,
            "resident_mebibytes_grown": mebibytes - self._mebibytes_when_warm,
        }
        unfinished = self._file.with_suffix(".part")
        unfinished.write_text(json.dumps(figures))
        unfinished.replace(self._file)


def own_memory() -> tuple[int, float]:
    """Of this process, without what is in caches of a fixed size: those are full some day."""
    for item in gc.get_objects():
        if isinstance(item, functools._lru_cache_wrapper) and item.cache_parameters()["maxsize"]:  # noqa: SLF001
            item.cache_clear()
    gc.collect()
    return sys.getallocatedblocks(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
