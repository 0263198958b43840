"""What every fault is given."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.faults.findings import Result
from lab.constants import Constants
from lab.toolchain import Programs

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Setting:
    """`directory` is the run's own. `short`: small counts and short troubles, to see that a fault does what it says."""

    programs: Programs
    constants: Constants
    directory: Path
    tell: Callable[[str], None]
    short: bool = False

    def extent(self, long: T, short: T) -> T:
        """Of the counts and seconds of a fault, those for this run."""
        return short if self.short else long


@dataclass(frozen=True, slots=True)
class Family:
    """Faults that are tried in one place, one after the other: a cluster with what of Stoker they need."""

    place: Callable[[Setting], AbstractAsyncContextManager[Any]]
    faults: Mapping[str, Callable[[Any], Awaitable[Result]]]
    """By name; each is called with the place, and leaves it whole."""
