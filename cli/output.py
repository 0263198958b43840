"""One value, four forms: every command that reads takes `-o table|wide|json|yaml`.

    rows = [{"name": "node-a", "forecast": {"seconds": 43}}]
    typer.echo(render(rows, Output.TABLE, [Column("NODE", "name"), Column("SECONDS", "forecast.seconds")]))

JSON and YAML show the whole value; table and wide show a row for each of its items (or one row for a single mapping).
"""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

import typer
import yaml
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

UNKNOWN = "-"
PIPE_COLUMNS = 400
"""Width of a table that nobody looks at: a pipe must not get cells that are cut off."""


class Output(StrEnum):
    """The forms; `wide` is the table with the columns that would not fit a narrow terminal."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"


OutputOption = Annotated[Output, typer.Option("--output", "-o", help="How to print the answer.")]


@dataclass(frozen=True, slots=True)
class Column:
    """A table's column: its heading, and where its cells come from."""

    heading: str
    source: str | Callable[[Mapping[str, Any]], Any]
    """A dotted path into the row, or a function of the row."""

    wide: bool = False
    """Whether only `wide` shows it."""

    right: bool = False
    """Whether its cells are aligned to the right, as numbers want."""


def render(value: Any, output: Output | str, columns: Sequence[Column], *, width: int | None = None) -> str:
    """The text of `value` (JSON-like: mappings, sequences, scalars), without a newline at its end.

    `width` is that of the terminal in characters; left out, the terminal is asked.
    """
    match Output(output):
        case Output.JSON:
            return json.dumps(value, indent=2, ensure_ascii=False)
        case Output.YAML:
            return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120).rstrip("\n")
        case form:
            shown = [column for column in columns if form is Output.WIDE or not column.wide]
            return _table([value] if isinstance(value, Mapping) else value, shown, width)


def _table(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column], width: int | None) -> str:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(column.heading, justify="right" if column.right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(column, row)) for column in columns))
    buffer = io.StringIO()
    console = Console(file=buffer, width=width or shutil.get_terminal_size((PIPE_COLUMNS, 24)).columns)
    console.print(table)
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines())


def _cell(column: Column, row: Mapping[str, Any]) -> str:
    value = column.source(row) if callable(column.source) else _at(row, column.source)
    if value is None or value == "":
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.1f}"
    if isinstance(value, (list, tuple)):
        return ", ".join(str(item) for item in value) or UNKNOWN
    return str(value)


def _at(row: Any, path: str) -> Any:
    for key in path.split("."):
        if not isinstance(row, Mapping):
            return None
        row = row.get(key)
    return row
