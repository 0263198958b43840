"""docs/reliability.md: its table is renewed from a report; its paragraphs are written by people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.page import check_place, machine_line, put_between

BEGIN: Final = "<!-- figures: written by `stoker lab faults all --docs docs` -->"


def check(docs: Path) -> None:
    """InvalidInput where `renew` could not do its work."""
    check_place(docs / "reliability.md", BEGIN)


def renew(report: Mapping[str, Any], docs: Path) -> None:
    """Put the report's table between the marks of reliability.md; InvalidInput where the page has no marks."""
    put_between(docs / "reliability.md", BEGIN, table(report))


def table(report: Mapping[str, Any]) -> str:
    heading = (
        f"{machine_line(report['machine'])}\n\n| fault | asked for | a second | refused | lost | recovered in | "
        "held |\n|---|---|---|---|---|---|---|"
    )
    return "\n".join((heading, *_rows(report)))


def _rows(report: Mapping[str, Any]) -> Iterator[str]:
    for fault in report["faults"]:
        yield (
            f"| `{fault['name']}` | {fault['requests']:,} {fault['unit']} | {fault['load']:g} | {fault['refused']} | "
            f"{fault['lost']} | {fault['recovered_seconds']:g} s | {'yes' if fault['held'] else '**no**'} |"
        )
    for skipped in report["skipped"]:
        yield f"| `{skipped['name']}` | skipped: {skipped['reason']} | | | | | |"
