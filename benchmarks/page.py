"""docs/performance.md: its table and plots are renewed from a report; its paragraphs are written by people."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks import plots
from lab.destinations import prepare
from model.errors import InvalidInput

BEGIN: Final = "<!-- figures: written by `stoker lab bench all --docs docs` -->"
END: Final = "<!-- end of figures -->"


def check(docs: Path) -> None:
    """InvalidInput where `renew` could not do its work."""
    check_place(docs / "performance.md", BEGIN)
    prepare(docs / "performance" / "plots.svg")


def renew(report: Mapping[str, Any], docs: Path) -> None:
    """Put the report's table between the marks of performance.md, and its plots into performance/.

    InvalidInput where the page has no marks.
    """
    put_between(docs / "performance.md", BEGIN, f"{table(report)}\n\n{_pictures(report)}")
    plots.write(report, docs / "performance")


def put_between(page: Path, begin: str, figures: str) -> None:
    """Replace what the page has between the line `begin` and the next `END`; InvalidInput where these are not there.

    Markdown wants an empty line around a table: one on either side, however the figures begin and end.
    """
    before, after = _around(page, begin)
    page.write_text(f"{before}{begin}\n\n{figures.strip()}\n\n{after}", encoding="utf-8")


def check_place(page: Path, begin: str) -> None:
    """InvalidInput where `put_between` could not do its work."""
    _around(page, begin)
    if not os.access(page, os.W_OK):
        raise InvalidInput(f"{page} cannot be written: you have no right to; name another directory with --docs")


def _around(page: Path, begin: str) -> tuple[str, str]:
    """What stands before the figures, and what from `END` on."""
    try:
        text = page.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidInput(
            f"{page} cannot be read ({error.strerror}); name the directory docs of a checkout with --docs"
        ) from error
    before, found, rest = text.partition(begin)
    if not found or END not in rest:
        raise InvalidInput(f"{page} has no place for figures; put the lines {begin!r} and {END!r} into it")
    return before, rest[rest.index(END) :]


def machine_line(machine: Mapping[str, Any]) -> str:
    """What the figures under it depend on."""
    return (
        f"{machine['processors']} processors ({machine['architecture']}), Python {machine['python']}, "
        f"load {machine['load']}."
    )


def _pictures(report: Mapping[str, Any]) -> str:
    return "".join(f"![{bench['name']}](performance/{bench['name']}.svg)\n\n" for bench in report["benches"])


def table(report: Mapping[str, Any]) -> str:
    heading = (
        f"{machine_line(report['machine'])}\n\n| bench | Stoker | opponent or limit | ratio | floor | held |"
        "\n|---|---|---|---|---|---|"
    )
    return "\n".join((heading, *_rows(report)))


def _rows(report: Mapping[str, Any]) -> Iterator[str]:
    for bench in report["benches"]:
        for name, item in plots.comparisons(bench):
            label = f"`{name}`" if item is bench else f"{bench['name']}, {name}"
            floor = f"{'at most' if item.get('less_is_better') else 'at least'} {item['floor']:g}"
            verdict = "yes" if plots.holds(item) else "**no**"
            yield f"| {label} | {item['ours']:g} | {item['theirs']:g} | {item['ratio']:g} | {floor} | {verdict} |"
