"""`stoker lab bench`, `faults`, `scenario`: where the report and the page's figures go is settled before the work."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from benchmarks import page, stories, suite
from benchmarks.faults import page as faults_page
from benchmarks.faults import suite as faults_suite
from benchmarks.faults.findings import Finding
from benchmarks.report import Bench, Comparison
from cli import lab
from cli.choices import BENCHMARKS
from lab.scenarios.suite import Selection, Suite
from lab.scenarios.verdicts import Case
from model.errors import InvalidInput
from tests.lab.scenarios.stories import case, finding, sight, whole

COMMANDS = pytest.mark.parametrize("command", ["bench", "faults", "scenario"])
ONE = {"bench": "filter", "faults": "creates", "scenario": "burst"}
PAGES = {
    "bench": ("performance.md", page.BEGIN),
    "faults": ("reliability.md", faults_page.BEGIN),
    "scenario": ("scenarios.md", stories.BEGIN),
}


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was measured or tried, by suites that take no time."""
    seen: list[str] = []

    def measure(name: str, *_: Any, **__: Any) -> Bench:
        seen.append(name)
        return Bench(name, Comparison(1.0, 2.0, 1.0, less_is_better=True))

    def try_out(wanted: list[str], _programs: object, _tell: object, keep: Callable[[Finding], None], **_: Any) -> None:
        for name in wanted:
            seen.append(name)
            keep(Finding(name, "creates", 100.0, 10, 0, 0, 0.5))

    async def tell(_suite: Suite, _programs: object, selection: Selection) -> list[Case]:
        seen.extend(selection.names)
        return [whole(finding("nomination", sight(), first_launch_unix=0.0), name=name) for name in selection.names]

    monkeypatch.setattr(Suite, "run", tell)
    monkeypatch.setattr(suite, "run", measure)
    monkeypatch.setattr(faults_suite, "run", try_out)
    monkeypatch.setattr(lab, "_bench_placement", lambda _: measure("placement"))
    monkeypatch.setattr(lab, "_programs", lambda: None)
    return seen


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(lab.app, list(map(str, words)))


@COMMANDS
def test_a_report_that_cannot_be_written_is_told_before_the_work(command: str, done: list[str], tmp_path: Path) -> None:
    result = run(command, ONE[command], "--report", tmp_path)
    assert isinstance(result.exception, InvalidInput)
    assert "it is a directory" in str(result.exception)
    assert done == []


@COMMANDS
@pytest.mark.parametrize(
    ("text", "complaint"), [(None, "cannot be read"), ("# A page\n", "has no place for figures")], ids=["none", "bare"]
)
def test_a_page_that_cannot_be_renewed_is_told_before_the_work(
    command: str, text: str | None, complaint: str, done: list[str], tmp_path: Path
) -> None:
    name, _ = PAGES[command]
    if text is not None:
        (tmp_path / name).write_text(text)
    result = run(command, "all", "--report", tmp_path / "report.json", "--docs", tmp_path)
    assert isinstance(result.exception, InvalidInput)
    assert f"{tmp_path / name} {complaint}" in str(result.exception)
    assert done == []


@COMMANDS
def test_the_figures_of_one_do_not_replace_those_of_all(command: str, done: list[str], tmp_path: Path) -> None:
    result = run(command, ONE[command], "--docs", tmp_path)
    assert isinstance(result.exception, InvalidInput)
    assert "name all, or leave --docs out" in str(result.exception)
    assert done == []


@COMMANDS
def test_report_and_page_are_written_of_all(command: str, done: list[str], tmp_path: Path) -> None:
    name, begin = PAGES[command]
    (tmp_path / name).write_text(f"before\n{begin}\nstale\n{page.END}\nafter\n")
    report = tmp_path / "made" / "report.json"
    assert run(command, "all", "--report", report, "--docs", tmp_path).exit_code == 0
    (found,) = (items for items in json.loads(report.read_text()).values() if isinstance(items, list) and items)
    renewed = (tmp_path / name).read_text()
    assert [item["name"] for item in found] == done
    assert "stale" not in renewed
    assert all(f"`{one}`" in renewed for one in done)


@COMMANDS
def test_the_report_of_one_is_written_where_somebody_says_where(
    command: str, done: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(command, ONE[command]).exit_code == 0
    assert list(tmp_path.iterdir()) == []
    assert run(command, ONE[command], "--report", "report.json").exit_code == 0
    assert ONE[command] in (tmp_path / "report.json").read_text()
    assert done == [ONE[command]] * 2


@pytest.mark.parametrize(("judged", "status"), [(whole(finding("nomination", sight())), 0), (case(), 1)])
@pytest.mark.parametrize("output", ["json", "table"])
def test_a_scenario_ends_with_the_status_of_its_verdict(
    judged: Case, status: int, output: str, monkeypatch: pytest.MonkeyPatch, done: list[str]
) -> None:
    async def told(*_: Any) -> list[Case]:
        return [judged]

    monkeypatch.setattr(Suite, "run", told)
    result = run("scenario", "burst", "-o", output)
    assert (result.exit_code, done) == (status, [])
    assert ("NOT HELD" in result.output or '"held": false' in result.output) is bool(status)


def test_an_unknown_bench_is_told_with_those_there_are(done: list[str]) -> None:
    result = run("bench", "nothing")
    assert str(result.exception).endswith(", ".join(BENCHMARKS))
    assert done == []
