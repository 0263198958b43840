"""What every bench is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.floors import ROUNDS
from benchmarks.load import Generator
from benchmarks.opponents import Opponents
from lab.constants import Constants


@dataclass(frozen=True, slots=True)
class Setting:
    """`directory` is the run's own, for logs, kubeconfigs and bodies."""

    opponents: Opponents
    constants: Constants
    directory: Path
    tell: Callable[[str], None]
    rounds: int = ROUNDS
    nodes: int = 5_000
    seconds: float = 4.0
    """How long each side is asked in each round."""

    def generator(self) -> Generator:
        return Generator(self.opponents.load, self.directory)
