"""`stoker lab faults`: which faults are tried, what is written, and with which status it ends."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from benchmarks.faults import suite
from benchmarks.faults.findings import Finding, Result
from cli import lab
from model.errors import InvalidInput


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A suite in which `complaints` are what does not hold of every fault; it remembers what was asked for."""
    seen: dict[str, Any] = {"complaints": ()}

    def run(
        wanted: Sequence[str], programs: object, tell: object, keep: Callable[[Result], None], *, short: bool
    ) -> None:
        del programs, tell
        seen.update(wanted=list(wanted), short=short)
        for name in wanted:
            keep(Finding(name, "creates", 100.0, 10, 0, 0, 0.5, seen["complaints"]))

    monkeypatch.setattr(suite, "run", run)
    monkeypatch.setattr(lab, "_programs", lambda: None)
    return seen


def test_an_unknown_fault_is_refused_before_anything_is_started(tried: dict[str, Any]) -> None:
    result = CliRunner().invoke(lab.app, ["faults", "creates-nothing"])
    assert isinstance(result.exception, InvalidInput)
    assert "wanted" not in tried


def test_one_fault_is_told_in_a_line(tried: dict[str, Any]) -> None:
    result = CliRunner().invoke(lab.app, ["faults", "creates", "--short"])
    assert (result.exit_code, tried["wanted"], tried["short"]) == (0, ["creates"], True)
    assert "creates: 10 creates at 100.0/s, 0 refused, 0 lost, recovered in 0.5 s: held" in result.stdout


def test_what_does_not_hold_is_told_and_ends_with_status_1(tried: dict[str, Any]) -> None:
    tried["complaints"] = ("3 creates were refused because of Stoker",)
    result = CliRunner().invoke(lab.app, ["faults", "creates", "-o", "json"])
    fault = json.loads(result.stdout)["faults"][0]
    assert (result.exit_code, fault["held"], fault["complaints"]) == (1, False, list(tried["complaints"]))


def test_the_report_of_all_is_written(tried: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "faults" / "report.json"
    result = CliRunner().invoke(lab.app, ["faults", "all", "--report", str(path)])
    assert result.exit_code == 0
    assert [item["name"] for item in json.loads(path.read_text())["faults"]] == tried["wanted"] == suite.named("all")
