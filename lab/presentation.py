"""The demonstration's report (its shape is a contract) and the tables that a person reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from lab.demo import Run
from lab.destinations import write_json
from lab.outcomes import STOKER, Outcome, Summary, summarise


def report(runs: Sequence[Run], versions: Mapping[str, str]) -> dict[str, Any]:
    """`{"kubernetes", "modes": {mode: S}, "pods": [P]}`; see docs/architecture.md."""
    return {
        "kubernetes": dict(versions),
        "modes": {run.mode: summarise(run.outcomes, run.waited_seconds).as_json() for run in runs},
        "pods": [outcome.as_json() for run in runs for outcome in run.outcomes],
    }


def write_report(runs: Sequence[Run], versions: Mapping[str, str], path: Path) -> None:
    write_json(report(runs, versions), path)


def show(runs: Sequence[Run], console: Console) -> None:
    """Where each mode put the tenants' pods and why, then the figures of both."""
    for run in runs:
        console.print(_placements(run))
    console.print(_figures(runs))
    console.print(_others(runs))


def _placements(run: Run) -> Table:
    title = "With Stoker" if run.mode == STOKER else "Plain kube-scheduler"
    table = Table(title=f"{title}: where the tenants' pods went", title_justify="left", title_style="bold")
    for heading in ("Node", "Arch", "Pods", "At binding", "Seconds to ready", "Failed sandboxes"):
        table.add_column(
            heading, justify="right" if heading in ("Pods", "Seconds to ready", "Failed sandboxes") else "left"
        )
    if run.mode == STOKER:
        table.add_column("Stoker's forecast, and its largest terms")
    for node, pods in sorted(_by_node(run.outcomes).items()):
        row = [node, pods[0].architecture or "-", str(len(pods)), _warmth(pods), _range(pods)]
        row.append(str(sum(pod.failed_sandboxes for pod in pods)))
        table.add_row(*row, *([_why(pods)] if run.mode == STOKER else []))
    return table


def _figures(runs: Sequence[Run]) -> Table:
    table = Table(title="Seconds until a tenant's pod was ready", title_justify="left", title_style="bold")
    for heading in ("", "p50", "p95", "p99", "Failed sandboxes", "Never ready"):
        table.add_column(heading, justify="right" if heading else "left")
    for run in runs:
        summary = summarise(run.outcomes, run.waited_seconds)
        table.add_row("with Stoker" if run.mode == STOKER else "plain", *_cells(summary))
    return table


def _cells(summary: Summary) -> list[str]:
    seconds = [summary.p50_seconds, summary.p95_seconds, summary.p99_seconds]
    return [*map(_seconds, seconds), str(summary.failed_sandboxes), str(summary.pending)]


def _others(runs: Sequence[Run]) -> str:
    others = [item for run in runs if run.mode == STOKER for item in run.outcomes if not item.tenant]
    changed = [item.name for item in others if item.mutations]
    refused = [f"{item.namespace}/{item.name}: {item.refused}" for run in runs for item in run.outcomes if item.refused]
    lines = [f"Pods of other namespaces: {len(others)}, of which Stoker changed {len(changed)}."]
    return "\n".join([*lines, *(f"Refused: {text}" for text in refused)])


def _by_node(outcomes: Iterable[Outcome]) -> dict[str, list[Outcome]]:
    nodes: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.tenant and outcome.refused is None:
            nodes.setdefault(outcome.node or "(not bound)", []).append(outcome)
    return nodes


def _warmth(pods: Sequence[Outcome]) -> str:
    warm = sum(bool(pod.warm) for pod in pods)
    reasons = sorted({reason for pod in pods for reason in pod.cold_reasons})
    if warm == len(pods):
        return "warm"
    return f"{'cold' if not warm else f'{warm} warm, {len(pods) - warm} cold'}: {', '.join(reasons) or 'unknown'}"


def _range(pods: Sequence[Outcome]) -> str:
    seconds = [pod.ready_seconds for pod in pods if pod.ready_seconds is not None]
    never = len(pods) - len(seconds)
    parts = [f"{min(seconds):.0f} to {max(seconds):.0f}"] if seconds else []
    return ", ".join([*parts, *([f"{never} never"] if never else [])])


def _why(pods: Sequence[Outcome]) -> str:
    forecasts = [pod.forecast for pod in pods if pod.forecast]
    if not forecasts:
        return "-"
    middle = sorted(forecasts, key=lambda item: item["seconds"])[len(forecasts) // 2]
    terms = sorted(((seconds, name) for name, seconds in middle["terms"].items() if seconds >= 1), reverse=True)
    return f"{middle['seconds']:.0f} = " + " + ".join(f"{name} {seconds:.0f}" for seconds, name in terms)


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"
