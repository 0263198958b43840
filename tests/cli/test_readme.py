"""The README and `--help` say the same of the commands, in the same order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import typer

from cli.main import app

README: Final = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
COMMAND: Final = typer.main.get_command(app)


def rows(command: Any, name: str = "stoker") -> Iterator[str]:
    """A row of the README's table for each command that is not hidden: the first paragraph of its help."""
    commands = getattr(command, "commands", None)
    if commands is None:
        first, *_ = command.help.split("\n\n")
        yield f"| `{name}` | {_line(first)} |"
    for word, each in (commands or {}).items():
        if not each.hidden:
            yield from rows(each, f"{name} {word}")


def _line(text: str) -> str:
    return " ".join(text.split())


def test_every_command_is_in_the_table_in_its_place_and_in_the_words_of_its_help() -> None:
    section = README[README.index("## Commands") : README.index("## When something is down")]
    assert [line for line in section.splitlines() if line.startswith("| `stoker ")] == list(rows(COMMAND))


def test_examples_of_commands_follow_in_the_order_of_the_help() -> None:
    explained = re.findall(r"^`stoker (\w+)", README[README.index("## Commands") :], flags=re.MULTILINE)
    assert list(dict.fromkeys(explained)) == list(COMMAND.commands)  # type: ignore[attr-defined] # a group has them


def test_the_first_sentence_is_the_same() -> None:
    assert COMMAND.help is not None
    assert _line(README).startswith(f"# Stoker {_line(COMMAND.help)}")
