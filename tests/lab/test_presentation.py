from __future__ import annotations

import io
import json
from pathlib import Path

from rich.console import Console

from lab.demo import Run
from lab.outcomes import PLAIN, STOKER, Outcome
from lab.presentation import report, show, write_report
from tests.lab.outcomes import others, outcome

VERSIONS = {"apiserver": "v1.36.3", "scheduler": "v1.36.3"}
FORECAST = {"seconds": 43.5, "terms": {"sandbox": 3.0, "application": 33.0, "contention": 0.5, "pull": 7.0}}


def runs(*stoker: Outcome) -> list[Run]:
    plain = outcome(
        mode=PLAIN, node="cold-1", warm=False, cold_reasons=("image-missing",), ready_seconds=None, failed_sandboxes=7
    )
    return [Run(PLAIN, [plain, others(mode=PLAIN)], 600.0), Run(STOKER, [*stoker, others()], 50.0)]


def shown(*stoker: Outcome) -> str:
    buffer = io.StringIO()
    show(runs(*stoker), Console(file=buffer, width=140))
    return buffer.getvalue()


def row(text: str, *beginning: str) -> list[str]:
    """The cells of the table's row that begins so."""
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines()]
    return next(cells for cells in rows if cells[: len(beginning)] == list(beginning))


def test_the_report_has_its_promised_shape() -> None:
    found = report(runs(outcome(forecast=FORECAST, mutations=("spec.schedulerName",))), VERSIONS)
    assert found["kubernetes"] == {"apiserver": "v1.36.3", "scheduler": "v1.36.3"}
    assert list(found["modes"]) == ["plain", "stoker"]
    assert found["modes"]["plain"] == {
        "p50_seconds": 600.0,
        "p95_seconds": 600.0,
        "p99_seconds": 600.0,
        "failed_sandboxes": 7,
        "pending": 1,
    }
    assert [(pod["mode"], pod["name"]) for pod in found["pods"]] == [
        ("plain", "agent-000"),
        ("plain", "web-000"),
        ("stoker", "agent-000"),
        ("stoker", "web-000"),
    ]
    promised = {"mode", "namespace", "name", "tenant", "node", "architecture", "warm", "mutations", "forecast"}
    assert promised | {"ready_seconds", "failed_sandboxes"} <= found["pods"][2].keys()
    assert (found["pods"][2]["forecast"], found["pods"][2]["mutations"]) == (FORECAST, ["spec.schedulerName"])


def test_the_report_is_written_where_no_directory_was(tmp_path: Path) -> None:
    path = tmp_path / "build" / "demo" / "report.json"
    write_report(runs(outcome()), VERSIONS, path)
    assert json.loads(path.read_text()) == report(runs(outcome()), VERSIONS)


def test_pods_are_counted_by_node() -> None:
    text = shown(outcome(), outcome("agent-001", ready_seconds=48.0), outcome("agent-002", node="warm-2"))
    assert row(text, "warm-1")[:6] == ["warm-1", "amd64", "2", "warm", "43 to 48", "0"]
    assert row(text, "warm-2")[2] == "1"


def test_a_cold_node_says_why() -> None:
    cells = row(shown(outcome()), "cold-1")
    assert cells == ["cold-1", "amd64", "1", "cold: image-missing", "1 never", "7"]


def test_a_node_that_some_pods_found_cold_says_how_many() -> None:
    cold = outcome("agent-001", warm=False, cold_reasons=("settling",))
    assert row(shown(outcome(), cold), "warm-1")[3] == "1 warm, 1 cold: settling"


def test_a_forecast_shows_its_largest_terms_first() -> None:
    assert row(shown(outcome(forecast=FORECAST)), "warm-1")[-1] == "44 = application 33 + pull 7 + sandbox 3"


def test_pods_that_were_never_bound_stand_in_a_row_of_their_own() -> None:
    unbound = outcome(node=None, architecture=None, warm=None, ready_seconds=None)
    assert row(shown(unbound), "(not bound)")[1:3] == ["-", "1"]


def test_the_percentiles_of_both_modes_stand_side_by_side() -> None:
    text = shown(outcome())
    assert row(text, "plain") == ["plain", "600", "600", "600", "7", "1"]
    assert row(text, "with Stoker") == ["with Stoker", "43", "43", "43", "0", "0"]


def test_a_refused_pod_is_told_with_the_reason() -> None:
    refused = outcome("ghost", node=None, warm=None, ready_seconds=None, refused="TenantProfile 'x' does not exist")
    text = shown(refused)
    assert "Refused: tenant-a/ghost: TenantProfile 'x' does not exist" in text
    assert "(not bound)" not in text


def test_others_pods_that_stoker_changed_would_be_counted() -> None:
    buffer = io.StringIO()
    show([Run(STOKER, [others(), others("web-001", mutations=("spec.affinity",))], 5.0)], Console(file=buffer))
    assert "Pods of other namespaces: 2, of which Stoker changed 1." in buffer.getvalue()
