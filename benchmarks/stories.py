"""docs/scenarios.md: its table is renewed from a report of the scenarios; its paragraphs are written by people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.page import check_place, machine_line, put_between
from lab.scenarios.modes import MODES, OMNISCIENT

BEGIN: Final = "<!-- figures: written by `stoker lab scenario all --docs docs` -->"
COLUMNS: Final = (*(mode.name for mode in MODES), OMNISCIENT)


def check(docs: Path) -> None:
    """InvalidInput where `renew` could not do its work."""
    check_place(docs / "scenarios.md", BEGIN)


def renew(report: Mapping[str, Any], machine: Mapping[str, Any], docs: Path) -> None:
    """Put the report's table between the marks of scenarios.md; InvalidInput where the page has no marks."""
    put_between(docs / "scenarios.md", BEGIN, table(report, machine))


def table(report: Mapping[str, Any], machine: Mapping[str, Any]) -> str:
    """A row for each story: p95 of the seconds to ready in each mode, with what failed or never came in brackets."""
    heading = (
        f"{machine_line(machine)}\n\n| story | pods | {' | '.join(COLUMNS)} | regret | held |\n"
        f"|---|---|{'---|' * len(COLUMNS)}---|---|"
    )
    rows = (_row(entry) for entry in report["scenarios"])
    return "\n".join((heading, *rows, "", *_complaints(report)))


def _row(entry: Mapping[str, Any]) -> str:
    cells = " | ".join(_cell(entry["modes"].get(name)) for name in COLUMNS)
    share = "" if entry["regret"] is None else f"{entry['regret']:.1%}"
    verdict = "yes" if entry["held"] else "**no**"
    return f"| `{entry['name']}` | {entry['pods']} | {cells} | {share} | {verdict} |"


def _cell(figures: Mapping[str, Any] | None) -> str:
    if figures is None or figures["p95_seconds"] is None:
        return ""
    troubles = {"failed": figures["failed_sandboxes"], "never": figures["pending"]}
    told = ", ".join(f"{count} {word}" for word, count in troubles.items() if count)
    return f"{figures['p95_seconds']:.0f}" + (f" ({told})" if told else "")


def _complaints(report: Mapping[str, Any]) -> Iterator[str]:
    for entry in report["scenarios"]:
        for complaint in entry["complaints"]:
            yield f"- Not held, `{entry['name']}`: {complaint}."
