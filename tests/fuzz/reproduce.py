"""Try one input again: python -m tests.fuzz.reproduce TARGET FILE. It shows what the bytes were made into."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.fuzz.targets import TARGETS


def main(name: str, file: str) -> None:
    target, data = TARGETS[name], Path(file).read_bytes()
    print(f"{data!r}\nis read as\n{target.shape(data)!r}")  # noqa: T201 - what was asked for
    target(data)
    print(f"held: {target.promise}")  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
