"""When the opponents are built anew."""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmarks.opponents import MODULE, cache_key


def test_the_cache_knows_these_sources_by_one_name(tmp_path: Path) -> None:
    shutil.copytree(MODULE, tmp_path / "copy")
    assert cache_key(tmp_path / "copy") == cache_key()


def test_another_line_of_source_is_another_build(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(MODULE, copy)
    program = copy / "load" / "main.go"
    program.write_text(program.read_text() + "\n// more\n")
    assert cache_key(copy) != cache_key()
