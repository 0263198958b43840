"""Plots, and the page that shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from benchmarks import page, plots
from benchmarks.report import Bench, Comparison, report
from model.errors import InvalidInput


def found(ours: float = 3.0) -> dict[str, Any]:
    less = Comparison(ours, 4.0, 0.75, less_is_better=True)
    return report([Bench("filter", less, {"p99": Comparison(9.0, 4.0, 0.75, less_is_better=True)})])


def test_a_plot_is_an_svg_with_two_bars_for_each_comparison(tmp_path: Path) -> None:
    (path,) = plots.write(found(), tmp_path)
    drawing = ET.fromstring(path.read_text())  # noqa: S314 - written by ourselves just now
    bars = [item for item in drawing.iter("{http://www.w3.org/2000/svg}rect") if item.get("height") == "15"]
    assert (path.name, len(bars)) == ("filter.svg", 4)


def test_a_comparison_is_judged_by_itself_and_not_by_its_bench() -> None:
    (bench,) = found()["benches"]
    assert [plots.holds(item) for _, item in plots.comparisons(bench)] == [True, False]


def test_renewing_the_page_changes_the_figures_and_nothing_else(tmp_path: Path) -> None:
    text = f"before\n{page.BEGIN}\nold figures\n{page.END}\nafter\n"
    (tmp_path / "performance.md").write_text(text)
    page.renew(found(), tmp_path)
    renewed = (tmp_path / "performance.md").read_text()
    assert renewed.startswith("before\n")
    assert renewed.endswith("after\n")
    assert "old figures" not in renewed
    assert "| `filter` | 3 | 4 | 0.75 | at most 0.75 | yes |" in renewed
    assert "| filter, p99 | 9 | 4 | 2.25 | at most 0.75 | **no** |" in renewed


def test_a_page_without_a_place_for_figures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "performance.md").write_text("nothing\n")
    with pytest.raises(InvalidInput, match="no place for figures"):
        page.renew(found(), tmp_path)
