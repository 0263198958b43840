"""Where a report is to go is looked at before the run that makes it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.destinations import prepare
from model.errors import InvalidInput


def test_the_directory_of_a_report_is_made_and_the_report_is_not(tmp_path: Path) -> None:
    prepare(tmp_path / "new" / "report.json")
    assert list(tmp_path.rglob("*")) == [tmp_path / "new"]


def test_a_report_that_is_there_stays_until_the_next_is_written(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("the last one")
    prepare(path)
    assert path.read_text() == "the last one"


def test_a_directory_is_no_report(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="it is a directory; name a file in it"):
        prepare(tmp_path)


def test_below_a_file_no_directory_can_be_made(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(InvalidInput, match=f"no directory can be made at {file}"):
        prepare(file / "report.json")


def test_a_directory_without_the_right_to_write_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # whoever is root has every right
    with pytest.raises(InvalidInput, match="you have no right to; choose another place"):
        prepare(tmp_path / "report.json")
