"""What can be run by name is what `--help` lists."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from benchmarks.faults.suite import named
from benchmarks.suite import BENCHES
from cli import choices, lab
from lab.constants import load_constants, scenarios_of
from lab.scenarios.modes import MODES


def test_the_names_are_those_that_the_lab_knows() -> None:
    assert list(choices.SCENARIOS) == list(scenarios_of(load_constants(None)).stories())
    assert list(choices.MODES) == [mode.name for mode in MODES]
    assert list(choices.BENCHMARKS) == [*BENCHES, choices.PLACEMENT]
    assert list(choices.FAULTS) == named(choices.ALL)


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("scenario", (*choices.SCENARIOS, *choices.MODES)),
        ("bench", choices.BENCHMARKS),
        ("faults", choices.FAULTS),
    ],
)
def test_help_lists_every_name_unbroken_on_a_narrow_screen(command: str, names: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(lab.app, [command, "--help"], env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"}).output
    assert [name for name in (*names, choices.ALL) if name not in shown] == []
