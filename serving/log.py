"""Logs: one event, one line: `time level logger message key=value ...`.

Fields are passed to the standard logging calls as `extra={"fields": {...}}`.
"""

from __future__ import annotations

import logging
import sys
import time
from functools import lru_cache
from typing import Any, Final, TextIO

from model.errors import InvalidInput

LEVELS: Final = ("debug", "info", "warning", "error")


class LineFormatter(logging.Formatter):
    """Whatever text a stranger gets into a record, it stays one line; times are UTC with milliseconds."""

    def format(self, record: logging.LogRecord) -> str:
        parts = [
            f"{_second(int(record.created))}.{int(record.msecs):03d}Z",
            record.levelname.lower(),
            record.name,
            _escape(record.getMessage()),
        ]
        fields: dict[str, Any] = getattr(record, "fields", {})
        parts.extend(f"{key}={_quote(str(value))}" for key, value in fields.items())
        if record.exc_info:
            parts.append(f"traceback={_quote(self.formatException(record.exc_info))}")
        return " ".join(parts)


def configure_logging(level: str, stream: TextIO | None = None) -> None:
    """Send every logger's records from `level` on to `stream` (stderr by default); raises InvalidInput."""
    if level not in LEVELS:
        raise InvalidInput(f"log level {level!r} is unknown; use one of {', '.join(LEVELS)}")
    handler = logging.StreamHandler(sys.stderr if stream is None else stream)
    handler.setFormatter(LineFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    _look_up_nothing()


def _look_up_nothing() -> None:
    """Leave out what `logging` finds out for each record and no line of ours has: caller, thread, process, task.

    It is an eighth of a line's cost, and a webhook writes a line for each review ("Optimization" in the logging HOWTO).
    """
    logging._srcfile = None  # noqa: SLF001 - how the HOWTO says it is done
    logging.logThreads = False
    logging.logProcesses = False
    logging.logMultiprocessing = False


@lru_cache(maxsize=2)
def _second(unix_seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(unix_seconds))


def _quote(text: str) -> str:
    if text and text.isprintable() and " " not in text and '"' not in text and "=" not in text:
        return text
    return '"' + _escape(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def _escape(text: str) -> str:
    """Replaces what is not printable, all that some reader takes for a line's end among it."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )
