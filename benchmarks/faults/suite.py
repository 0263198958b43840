"""The faults by name, family by family; each is told as soon as it is over."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import uvloop

from benchmarks.faults import admission, machine, scheduling, slowness, watching
from benchmarks.faults.findings import Result, broken_off, line
from benchmarks.faults.setting import Family, Setting
from lab.constants import load_constants
from lab.directories import working_directory
from lab.toolchain import Programs
from model.errors import InvalidInput, StokerError

ALL: Final = "all"
FAMILIES: Final[Sequence[Family]] = (
    admission.FAMILY,
    watching.FAMILY,
    scheduling.FAMILY,
    slowness.FAMILY,
    machine.FAMILY,
)


def named(name: str) -> list[str]:
    """The fault of that name, or all; InvalidInput where there is none."""
    known = [item for family in FAMILIES for item in family.faults]
    if name != ALL and name not in known:
        raise InvalidInput(f"there is no fault {name!r}; choose {ALL} or one of {', '.join(known)}")
    return known if name == ALL else [name]


def run(
    wanted: Sequence[str],
    programs: Programs,
    tell: Callable[[str], None],
    keep: Callable[[Result], None],
    *,
    short: bool,
) -> None:
    """Try these faults, and hand each result to `keep` when it is there; LabError where there is no place for them."""

    async def work(directory: Path) -> None:
        setting = Setting(programs, load_constants(None), directory, tell, short)
        for family in FAMILIES:
            await try_out(family, wanted, setting, keep)

    with working_directory() as directory:
        # What goes wrong is what is wanted here; it is told by the findings.
        logging.basicConfig(filename=directory / "faults.log", level=logging.INFO)
        uvloop.run(work(directory))


async def try_out(family: Family, wanted: Sequence[str], setting: Setting, keep: Callable[[Result], None]) -> None:
    """Those of the family that are wanted, in one place."""
    chosen = {name: fault for name, fault in family.faults.items() if name in wanted}
    if not chosen:
        return
    async with family.place(setting) as place:
        for name, fault in chosen.items():
            setting.tell(f"{name}:")
            try:
                result = await fault(place)
            except StokerError as error:
                result = broken_off(name, error)
            setting.tell(line(result))
            keep(result)
