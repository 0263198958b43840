"""The report of the faults, its shape, and the page that is written from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.faults.findings import Finding, Skipped, all_held, line, report
from benchmarks.faults.page import BEGIN, renew
from benchmarks.faults.suite import FAMILIES, named
from benchmarks.page import END
from model.errors import InvalidInput

DOCS = Path(__file__).parents[3] / "docs"


def finding(*complaints: str, **members: Any) -> Finding:
    return Finding("creates", "creates", 99.96, 10_000, 0, 0, 2.04, complaints, **members)


def test_every_fault_of_the_report_has_the_agreed_keys() -> None:
    fault = report([finding(details={"unmutated": 0})])["faults"][0]
    agreed = {key: fault[key] for key in ("name", "load", "requests", "refused", "lost", "recovered_seconds", "held")}
    assert agreed == {
        "name": "creates",
        "load": 100.0,
        "requests": 10_000,
        "refused": 0,
        "lost": 0,
        "recovered_seconds": 2.0,
        "held": True,
    }
    assert fault["unmutated"] == 0


def test_one_that_is_not_held_or_was_not_tried_is_enough() -> None:
    assert all_held([finding(), finding()])
    assert not all_held([finding(), finding("it broke")])
    assert not all_held([finding(), Skipped("disk-full", "not root")])


def test_one_that_was_skipped_is_told_with_its_reason() -> None:
    skipped = Skipped("disk-full", "not root")
    assert report([skipped])["skipped"] == [{"name": "disk-full", "reason": "not root"}]
    assert line(skipped) == "disk-full: NOT TRIED: not root"


def test_an_unknown_fault_is_answered_with_the_names_of_all() -> None:
    with pytest.raises(InvalidInput, match="creates"):
        named("creates-nothing")


def test_no_two_faults_have_the_same_name() -> None:
    assert len(named("all")) == len(set(named("all"))) == sum(len(family.faults) for family in FAMILIES)


def test_the_page_is_renewed_between_its_marks(tmp_path: Path) -> None:
    page = tmp_path / "reliability.md"
    page.write_text(f"before\n{BEGIN}\nold figures\n{END}\nafter\n")
    renew(report([finding("it broke"), Skipped("disk-full", "not root")]), tmp_path)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "| `creates` | 10,000 creates | 100 | 0 | 0 | 2 s | **no** |" in text
    assert "| `disk-full` | skipped: not root |" in text
    assert "old figures" not in text


def test_the_shipped_page_has_its_marks_and_a_paragraph_for_every_fault() -> None:
    text = (DOCS / "reliability.md").read_text()
    assert BEGIN in text
    assert END in text
    assert [name for name in named("all") if f"**{name}" not in text and f"`{name}`" not in text] == []
