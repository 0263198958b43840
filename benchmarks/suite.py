"""The benches by name, run one by one in a working directory of the run's own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

import uvloop

from benchmarks import floors, opponents
from benchmarks.admission import webhook
from benchmarks.creation import create
from benchmarks.endurance import HOUR_ROUNDS, endurance
from benchmarks.overload import overload
from benchmarks.questions import filter_nodes, growth, image_sets, prioritize
from benchmarks.reflection import reflection
from benchmarks.report import Bench
from benchmarks.scheduling import scheduler
from benchmarks.setting import Setting
from benchmarks.sync import sync
from lab.constants import load_constants
from lab.directories import working_directory

BENCHES: Final[Mapping[str, Callable[[Setting], Awaitable[Bench]]]] = {
    "prioritize": prioritize,
    "image-sets": image_sets,
    "growth": growth,
    "filter": filter_nodes,
    "scheduler": scheduler,
    "webhook": webhook,
    "create": create,
    "reflection": reflection,
    "sync": sync,
    "endurance": endurance,
    "overload": overload,
}

ROUNDS_ALONE: Final[Mapping[str, int]] = {"endurance": HOUR_ROUNDS}
"""Of a bench that takes many minutes to tell all that it can, where it is not one of all."""


def run(
    name: str, tell: Callable[[str], None], *, rounds: int | None = None, nodes: int = 5_000, alone: bool = True
) -> Bench:
    """Measure it; LabError where something that it needs cannot be had, or a request failed.

    `rounds` left out are the usual ones; `alone` is False where it is one of all benches.
    """
    programs, constants = opponents.find_or_build(), load_constants(None)
    usual = ROUNDS_ALONE.get(name, floors.ROUNDS) if alone else floors.ROUNDS

    async def measure(directory: Path) -> Bench:
        return await BENCHES[name](Setting(programs, constants, directory, tell, rounds or usual, nodes))

    with working_directory() as directory:
        return uvloop.run(measure(directory))
