"""The report's shape is a contract; the table says what did not hold."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from lab.scenarios.report import report, show
from lab.scenarios.verdicts import Case
from tests.lab.scenarios.stories import case, finding, sight, whole

MODES = ("plain", "tuned", "extender", "nomination")
FIGURES = {"p50_seconds", "p95_seconds", "p99_seconds", "failed_sandboxes", "pending"}


def told() -> Case:
    return case(*(finding(mode, sight(seconds=44.0)) for mode in MODES))


def test_every_mode_has_its_figures_and_the_scenario_its_verdict() -> None:
    (entry,) = report([told()])["scenarios"]
    assert {"name", "modes", "regret", "stuck_pods", "held"} <= entry.keys()
    assert tuple(entry["modes"]) == (*MODES, "omniscient")
    assert all(figures.keys() >= FIGURES for figures in entry["modes"].values())
    assert entry["modes"]["nomination"]["p95_seconds"] == 44.0
    assert entry["modes"]["omniscient"]["p95_seconds"] == 43.0
    assert entry["avoidable"]["tuned"] == 1.0
    assert entry["regret"] == 0.0233


def test_a_pod_that_was_never_ready_counts_with_the_seconds_waited() -> None:
    (entry,) = report([case(finding("plain", sight(seconds=None), waited=600))])["scenarios"]
    assert entry["modes"]["plain"]["pending"] == 1
    assert entry["modes"]["plain"]["p95_seconds"] == 600


def test_what_did_not_hold_is_in_the_report() -> None:
    (entry,) = report([whole(finding("nomination", sight(seconds=44.0, failed_sandboxes=2)))])["scenarios"]
    assert not entry["held"]
    assert entry["complaints"] == ["2 sandboxes failed"]


def test_the_table_shows_every_mode_and_the_complaints() -> None:
    shown = StringIO()
    broken = whole(finding("nomination", sight(failed_sandboxes=2)))
    show(report([broken]), Console(file=shown, width=140))
    assert "mixed-fleet (seed 1, 1 pods): NOT HELD" in shown.getvalue()
    assert "omniscient" in shown.getvalue()
    assert "not held: 2 sandboxes failed" in shown.getvalue()
