from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from cli.output import Column, Output, render

COLUMNS = (
    Column("NODE", "name"),
    Column("SECONDS", "forecast.seconds", right=True),
    Column("WARM", lambda row: row["forecast"]["seconds"] < 60),
    Column("ZONE", "zone", wide=True),
)
ROWS = [
    {"name": "metal-a", "forecast": {"seconds": 43.25}, "zone": "a"},
    {"name": "metal-b", "forecast": {"seconds": 304.0}, "zone": None},
]


def cells(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if not set(line) <= set("─ ")]


def test_a_table_has_a_heading_and_a_row_for_each_item() -> None:
    assert cells(render(ROWS, Output.TABLE, COLUMNS, width=80)) == [
        ["NODE", "SECONDS", "WARM"],
        ["metal-a", "43.2", "yes"],
        ["metal-b", "304.0", "no"],
    ]


def test_wide_adds_columns_and_shows_what_is_unknown_as_a_dash() -> None:
    assert cells(render(ROWS, Output.WIDE, COLUMNS, width=80)) == [
        ["NODE", "SECONDS", "WARM", "ZONE"],
        ["metal-a", "43.2", "yes", "a"],
        ["metal-b", "304.0", "no", "-"],
    ]


def test_a_single_mapping_is_a_table_of_one_row() -> None:
    assert render(ROWS[0], Output.TABLE, COLUMNS, width=80) == render(ROWS[:1], Output.TABLE, COLUMNS, width=80)


@pytest.mark.parametrize("value", [ROWS, ROWS[0], [], {"nested": {"ä": [1, None, True]}}])
def test_json_and_yaml_carry_the_whole_value(value: Any) -> None:
    assert json.loads(render(value, Output.JSON, COLUMNS)) == value
    assert yaml.safe_load(render(value, Output.YAML, COLUMNS)) == value


def test_a_narrow_terminal_folds_cells_and_loses_nothing() -> None:
    name = "ip-10-0-0-1.eu-central-1.compute.internal"
    text = render([{"name": name, "forecast": {"seconds": 1}}], Output.TABLE, COLUMNS, width=40)
    folded = "".join(line[0] for line in cells(text)[1:])
    assert folded == name


def test_what_looks_like_markup_is_shown_as_it_is() -> None:
    assert "[bold]x[/bold]" in render([{"name": "[bold]x[/bold]"}], Output.TABLE, COLUMNS[:1], width=80)


def test_a_pipe_gets_whole_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    name = "n" * 300
    assert name in render([{"name": name}], Output.TABLE, COLUMNS[:1])


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(ValueError, match="xml"):
        render(ROWS, "xml", COLUMNS)
