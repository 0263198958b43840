"""The page of the scenarios' figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.page import END
from benchmarks.stories import BEGIN, check, renew, table
from model.errors import InvalidInput

MACHINE = {"processors": 2, "architecture": "x86_64", "python": "3.11.7", "load": 0.5}


def figures(p95: float | None, *, failed: int = 0, pending: int = 0) -> dict[str, Any]:
    return {"p95_seconds": p95, "failed_sandboxes": failed, "pending": pending}


def entry(**members: Any) -> dict[str, Any]:
    modes = {"plain": figures(400.4, failed=12, pending=3), "nomination": figures(51.0), "omniscient": figures(49.9)}
    return {
        "name": "burst",
        "pods": 200,
        "modes": modes,
        "regret": 0.021,
        "held": True,
        "complaints": [],
        **members,
    }


def test_a_story_is_a_row_with_its_modes_and_what_went_wrong_in_them() -> None:
    (row,) = (line for line in table({"scenarios": [entry()]}, MACHINE).splitlines() if line.startswith("| `"))
    assert row == "| `burst` | 200 | 400 (12 failed, 3 never) |  |  | 51 | 50 | 2.1% | yes |"


def test_what_did_not_hold_is_said_in_its_sentence() -> None:
    told = table({"scenarios": [entry(held=False, complaints=["late by 3 s"])]}, MACHINE)
    assert "| **no** |" in told
    assert "- Not held, `burst`: late by 3 s." in told


def test_the_figures_of_the_page_are_renewed_and_its_sentences_stay(tmp_path: Path) -> None:
    page = tmp_path / "scenarios.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    check(tmp_path)
    renew({"scenarios": [entry()]}, MACHINE, tmp_path)
    told = page.read_text()
    assert told.startswith("before\n")
    assert told.endswith(f"{END}\nafter\n")
    assert "old" not in told
    assert "`burst`" in told


def test_a_directory_without_the_page_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="name the directory docs"):
        check(tmp_path)
