"""One target under atheris, in a process of its own.

`python -m tests.fuzz.instrumented TARGET FIGURES OPTIONS...`: FIGURES is the file that gets what was measured, as JSON,
and OPTIONS are libFuzzer's, `-runs` among them.
"""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path
from typing import Final

import atheris

from tests.fuzz.measures import Measures

ROOMS: Final = ("model", "cluster", "serving", "extender", "placement", "webhook")
"""Whose branches guide the search."""

COLUMNS: Final = tuple(
    f"extender.{module}"
    for module in ("asked", "directory", "expectations", "outlook", "preparation", "pulls", "roster", "scheduling")
)
"""But not theirs: atheris never lets go of an array that a comparison makes."""


def main(arguments: list[str]) -> None:
    name, file, *options = arguments
    logging.basicConfig(level=logging.ERROR, handlers=[logging.NullHandler()])
    with atheris.instrument_imports(include=list(ROOMS), exclude=list(COLUMNS)):
        from tests.fuzz.targets import TARGETS
    runs = next(int(option.partition("=")[2]) for option in options if option.startswith("-runs="))
    target, measures = TARGETS[name], Measures(Path(file), runs)

    def try_one(data: bytes) -> None:
        begun = time.perf_counter()
        target(data)
        measures.took(time.perf_counter() - begun, data)

    atheris.Setup([sys.argv[0], *options], try_one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
