"""Plots of a report as SVG, without a library: two bars for each comparison, and a mark where the floor is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any, Final

NAMESPACE: Final = 'xmlns="http://www.w3.org/2000/svg"'
WIDTH: Final = 720
BAR_LEFT: Final = 210
BAR_WIDTH: Final = 320
ROW_HEIGHT: Final = 54
TOP: Final = 44
OURS: Final = "#c2410c"
THEIRS: Final = "#94a3b8"
MARK: Final = "#111827"


def write(report: Mapping[str, Any], directory: Path) -> list[Path]:
    """A file for each bench of the report, named after it."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = []
    for bench in report["benches"]:
        path = directory / f"{bench['name']}.svg"
        path.write_text(plot(bench), encoding="utf-8")
        paths.append(path)
    return paths


def plot(bench: Mapping[str, Any]) -> str:
    """One bench as it stands in the report."""
    rows = list(comparisons(bench))
    height = TOP + ROW_HEIGHT * len(rows) + 10
    tops = range(TOP, height, ROW_HEIGHT)
    shapes = [shape for top, row in zip(tops, rows, strict=False) for shape in _row(top, *row)]
    title = f"{bench['name']}: {bench.get('unit', '')}"
    legend = f'<tspan fill="{OURS}">Stoker</tspan>, <tspan fill="{THEIRS}">opponent or limit</tspan>, line: floor'
    return "\n".join(
        (
            f'<svg {NAMESPACE} width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="13">',
            '<rect width="100%" height="100%" fill="white"/>',
            _text(10, 24, f'<tspan font-weight="bold">{escape(title)}</tspan>'),
            _text(WIDTH - 10, 24, legend, anchor="end"),
            *shapes,
            "</svg>\n",
        )
    )


def comparisons(bench: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The bench's own comparison and its further ones, with their names."""
    yield bench["name"], bench
    for name, item in bench.items():
        if isinstance(item, dict) and {"ours", "theirs", "floor"} <= item.keys():
            yield name.replace("_", " "), item


def holds(item: Mapping[str, Any]) -> bool:
    """The comparison alone; `held` of a bench speaks for all of its comparisons."""
    within: bool = item["ratio"] <= item["floor"] if item.get("less_is_better") else item["ratio"] >= item["floor"]
    return within


def _row(top: int, name: str, item: Mapping[str, Any]) -> Iterator[str]:
    allowed = item["theirs"] * item["floor"]
    scale = BAR_WIDTH / max(item["ours"], item["theirs"], allowed)
    yield _text(10, top + 24, escape(name))
    for offset, side, colour in ((4, "ours", OURS), (22, "theirs", THEIRS)):
        width = max(1.0, item[side] * scale)
        yield f'<rect x="{BAR_LEFT}" y="{top + offset}" width="{width:.1f}" height="15" fill="{colour}"/>'
        yield _text(BAR_LEFT + width + 5, top + offset + 12, f"{item[side]:g}")
    mark = BAR_LEFT + allowed * scale
    yield f'<line x1="{mark:.1f}" x2="{mark:.1f}" y1="{top}" y2="{top + 41}" stroke="{MARK}" stroke-width="2"/>'
    yield _text(WIDTH - 10, top + 24, f"{item['ratio']:g}{'' if holds(item) else ', not held'}", anchor="end")


def _text(x: float, y: float, content: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}">{content}</text>'
