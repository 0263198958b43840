"""The scenarios' report (its shape is a contract) and the table that a person reads."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

from rich.console import Console
from rich.table import Table

from lab.outcomes import percentile
from lab.scenarios.modes import MODES, OMNISCIENT
from lab.scenarios.sights import Finding
from lab.scenarios.verdicts import Case, avoidable_seconds, complaints, p95, regret, stuck_pods


def report(cases: Sequence[Case]) -> dict[str, Any]:
    """`{"scenarios": [{"name", "modes": {mode: S}, "regret", "stuck_pods", "held", …}]}`; see docs/architecture.md."""
    return {"scenarios": [_scenario(case) for case in cases]}


def show(found: dict[str, Any], console: Console) -> None:
    """Of a report, a table for each scenario, then what did not hold."""
    for entry in found["scenarios"]:
        table = Table(title=_title(entry), title_justify="left", title_style="bold")
        for heading in ("", "p50", "p95", "p99", "Avoidable at p95", "Failed sandboxes", "Never ready"):
            table.add_column(heading, justify="right" if heading else "left")
        for mode, figures in entry["modes"].items():
            seconds = [figures[key] for key in ("p50_seconds", "p95_seconds", "p99_seconds")]
            counts = [str(figures["failed_sandboxes"]), str(figures["pending"])]
            table.add_row(mode, *map(_shown, [*seconds, entry["avoidable"].get(mode)]), *counts)
        console.print(table)
        for complaint in entry["complaints"]:
            console.print(f"  not held: {complaint}", highlight=False, markup=False)


def _scenario(case: Case) -> dict[str, Any]:
    least = [seconds for seconds in case.omniscient.seconds if isfinite(seconds)]
    modes = {mode.name: _figures(case.findings[mode.name]) for mode in MODES if mode.name in case.findings}
    modes[OMNISCIENT] = _summary(least, failed_sandboxes=0, pending=len(case.omniscient.seconds) - len(least))
    avoidable = {name: p95(avoidable_seconds(run, case.omniscient)) for name, run in case.findings.items()}
    complained = complaints(case)
    mean = sum(least) / len(least) if least else 0.0
    return {
        "name": case.name,
        "seed": case.seed,
        "pods": len(case.omniscient.seconds),
        "modes": modes,
        "avoidable": {name: _rounded(seconds) for name, seconds in avoidable.items()},
        "regret": None if (found := regret(case)) is None else round(found, 4),
        "omniscient_gap": round(mean / case.omniscient.least_mean_seconds - 1, 4) if least else None,
        "stuck_pods": len(stuck_pods(case)),
        "held": not complained,
        "complaints": complained,
    }


def _figures(finding: Finding) -> dict[str, Any]:
    gates = sorted(sight.gate_wall_seconds for sight in finding.sights)
    return {
        **_summary(
            [finding.seconds(sight) for sight in finding.sights],
            failed_sandboxes=sum(sight.failed_sandboxes for sight in finding.sights),
            pending=sum(sight.seconds is None for sight in finding.sights),
        ),
        "nodes": len({sight.node for sight in finding.sights if sight.node}),
        "gate_wall_seconds_p95": _rounded(percentile(gates, 0.95)),
        "refused_creations": finding.refused_creations,
    }


def _summary(seconds: Sequence[float], *, failed_sandboxes: int, pending: int) -> dict[str, Any]:
    ordered = sorted(seconds)
    shares = {"p50_seconds": 0.50, "p95_seconds": 0.95, "p99_seconds": 0.99}
    figures: dict[str, Any] = {key: _rounded(percentile(ordered, share)) for key, share in shares.items()}
    return {**figures, "failed_sandboxes": failed_sandboxes, "pending": pending}


def _title(entry: dict[str, Any]) -> str:
    share = "-" if entry["regret"] is None else f"{entry['regret']:.1%}"
    verdict = "held" if entry["held"] else "NOT HELD"
    return f"{entry['name']} (seed {entry['seed']}, {entry['pods']} pods): {verdict}, mean regret {share}"


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)


def _shown(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.1f}"
