"""Logs: one event is one line, whoever wrote its text."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest

from model.errors import InvalidInput
from serving.log import configure_logging

log = logging.getLogger("tests.log")


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()
    stream = io.StringIO()
    configure_logging("info", stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_line_has_time_level_logger_message_and_fields(stream: io.StringIO) -> None:
    log.warning("pod %s", "reviewed", extra={"fields": {"namespace": "a", "code": 200}})
    time, rest = stream.getvalue().split(" ", 1)
    assert time.endswith("Z")
    assert rest == "warning tests.log pod reviewed namespace=a code=200\n"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("plain/value:1", "plain/value:1"),
        ("", '""'),
        ("two words", '"two words"'),
        ("a=b", '"a=b"'),
        ('say "hi"', r'"say \"hi\""'),
        ("line\nbreak", r'"line\nbreak"'),
        ("other\u2028break\x85", r'"other\u2028break\x85"'),
        ("grüße", "grüße"),
    ],
)
def test_values_are_quoted_where_needed(stream: io.StringIO, value: str, written: str) -> None:
    log.info("event", extra={"fields": {"key": value}})
    assert stream.getvalue().split(" ", 3)[3] == f"event key={written}\n"


def test_a_message_cannot_forge_a_second_line(stream: io.StringIO) -> None:
    log.info("first\n2026-01-01 error forged")
    assert len(stream.getvalue().splitlines()) == 1


def test_a_traceback_stays_in_its_line(stream: io.StringIO) -> None:
    try:
        int("what\nwent wrong")
    except ValueError:
        log.exception("failed")
    assert len(stream.getvalue().splitlines()) == 1
    assert "ValueError: invalid literal" in stream.getvalue()


def test_lower_levels_are_left_out(stream: io.StringIO) -> None:
    log.debug("too much detail")
    assert stream.getvalue() == ""


def test_an_unknown_level_is_named() -> None:
    with pytest.raises(InvalidInput, match="'loud'"):
        configure_logging("loud")
