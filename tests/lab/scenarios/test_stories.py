"""The scenarios' tables: mistakes are refused, and a file without them runs the shipped ones on its own physics."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lab.constants import DEFAULT_FILE, load_constants, scenarios_of
from lab.scenarios.modes import MODES, chosen
from lab.scenarios.suite import Suite
from model.errors import InvalidInput

SHIPPED = DEFAULT_FILE.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("pattern", "replacement", "complaint"),
    [
        (r'installing = \["no-kata"\]', 'installing = ["warm-ones"]', "scenarios.mixed-fleet.installing"),
        (r'deleted = \["warm-2"\]', 'deleted = ["warm-9"]', "scenarios.cordon: there is no node warm-9"),
        (
            r'zone = "us-west-2a"',
            'zone = "us-west-2d"',
            "scenarios.zone-loss.zone: no node is in us-west-2d; its fleet's",
        ),
        (r"batch_seconds = 1", "batch_seconds = -1", "scenarios.cold_join.batch_seconds"),
        (r"every_seconds = 15", "each_seconds = 15", "scenarios.rollout"),
    ],
)
def test_a_wrong_key_is_named(tmp_path: Path, pattern: str, replacement: str, complaint: str) -> None:
    text, changes = re.subn(pattern, replacement, SHIPPED, count=1)
    assert changes == 1
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(InvalidInput, match=re.escape(complaint)):
        load_constants(path)


def test_a_file_without_scenarios_runs_the_shipped_ones(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(SHIPPED.partition("[scenarios]")[0])
    loaded = load_constants(path)
    assert loaded.scenarios is None
    assert scenarios_of(loaded) == scenarios_of(load_constants())


def test_shipped_scenarios_that_do_not_fit_are_told(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(SHIPPED.partition("[scenarios]")[0].replace("aws-cli", "restorer"))
    with pytest.raises(InvalidInput, match=r"the shipped ones do not fit: .*there is no \[images.aws-cli\]"):
        scenarios_of(load_constants(path))


def test_an_unknown_scenario_is_answered_with_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match="choose all or one of mixed-fleet, burst"):
        Suite(load_constants()).named("flood")


def test_all_means_every_story() -> None:
    assert len(Suite(load_constants()).named("all")) == 8


def test_an_unknown_mode_is_answered_with_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match="choose some of plain, tuned, extender, nomination"):
        chosen(["magic"])


def test_no_mode_named_means_all() -> None:
    assert chosen(None) == MODES
