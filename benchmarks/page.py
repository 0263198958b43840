"""docs/performance.md: its table and plots are renewed from a report; its paragraphs are written by people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks import plots
from model.errors import InvalidInput

BEGIN: Final = "<!-- figures: written by `stoker lab bench all --docs docs` -->"
END: Final = "<!-- end of figures -->"


def renew(report: Mapping[str, Any], docs: Path) -> None:
    """Put the report's table between the marks of performance.md, and its plots into performance/.

    InvalidInput where the page has no marks.
    """
    page = docs / "performance.md"
    text = page.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        raise InvalidInput(f"{page} has no place for figures; put the lines {BEGIN!r} and {END!r} into it")
    plots.write(report, docs / "performance")
    before, _, rest = text.partition(BEGIN)
    page.write_text(
        f"{before}{BEGIN}\n{table(report)}\n{_pictures(report)}\n{rest[rest.index(END) :]}", encoding="utf-8"
    )


def _pictures(report: Mapping[str, Any]) -> str:
    return "".join(f"![{bench['name']}](performance/{bench['name']}.svg)\n\n" for bench in report["benches"])


def table(report: Mapping[str, Any]) -> str:
    machine = report["machine"]
    heading = (
        f"\n{machine['processors']} processors ({machine['architecture']}), Python {machine['python']}, "
        f"load {machine['load']}.\n\n| bench | Stoker | opponent or limit | ratio | floor | held |"
        "\n|---|---|---|---|---|---|"
    )
    return "\n".join((heading, *_rows(report), ""))


def _rows(report: Mapping[str, Any]) -> Iterator[str]:
    for bench in report["benches"]:
        for name, item in plots.comparisons(bench):
            label = f"`{name}`" if item is bench else f"{bench['name']}, {name}"
            floor = f"{'at most' if item.get('less_is_better') else 'at least'} {item['floor']:g}"
            verdict = "yes" if plots.holds(item) else "**no**"
            yield f"| {label} | {item['ours']:g} | {item['theirs']:g} | {item['ratio']:g} | {floor} | {verdict} |"
