"""Tokens that do not last: another one of a kubeconfig's plugin in time, and of a file that is written again."""

from __future__ import annotations

import ast
import asyncio
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any, Final

from model.errors import ConnectionFailed

log = logging.getLogger(__name__)

EARLY_SECONDS: Final = 60.0
"""So long before its token runs out a plugin is asked for another, while requests still show the old one. Of the five
minutes that the library takes, many a token lives no longer."""

AGAIN_SECONDS: Final = 10.0
"""After each run of a plugin, before the next: one that fails is not run for each request."""

PLUGIN_SECONDS: Final = 20.0
"""So long requests wait for a plugin whose last token has run out; less than for an answer of the server."""

REREAD_SECONDS: Final = 60.0
"""As client-go has it; who writes tokens to files leaves the old one good for longer."""

_PRINTED_BYTES: Final = re.compile(r"""b(['"]).*\1$""", re.DOTALL)
"""What a plugin wrote to stderr, as the library puts it into its message."""


class PluginTokens:
    """Those of the plugin that a loader of the library has run once. One run at a time, however long it takes: a
    plugin may wait for somebody to log in."""

    def __init__(self, loader: Any, command: str | None) -> None:
        self._loader = loader
        self._command = command
        self._run: asyncio.Task[None] | None = None
        self._began_at = self._ended_at = monotonic()
        self._complaint = ""

    async def renew(self, configuration: Any) -> None:
        """Put the token of the next request there; ConnectionFailed where it has run out and the plugin gives none."""
        left = (self._loader.exec_plugin_expiry - datetime.now(UTC)).total_seconds()
        if left < EARLY_SECONDS:
            self._begin()
        if left <= 0.0:
            await self._end()
        configuration.api_key["BearerToken"] = self._loader.token

    def _begin(self) -> None:
        now = monotonic()
        if self._run is None and now - self._ended_at >= AGAIN_SECONDS:
            self._began_at = now
            self._run = asyncio.create_task(self._ask())

    async def _ask(self) -> None:
        try:
            with overheard(logging.getLogger(type(self._loader).__module__)) as complaints:
                await self._loader.load_from_exec_plugin()
            self._complaint = "; ".join(complaints)
        finally:
            self._ended_at = monotonic()
            self._run = None

    async def _end(self) -> None:
        """Of the run that is under way; who stops waiting does not stop it."""
        if self._run is not None:
            await asyncio.wait({self._run}, timeout=max(self._began_at + PLUGIN_SECONDS - monotonic(), 0.0))
        if self._run is not None:
            seconds = monotonic() - self._began_at
            raise ConnectionFailed(
                f"the token has run out, and the command {self._command!r} that is to give another has not ended for "
                f"{seconds:.0f} s; end it, and run it by hand"
            )
        if self._complaint:
            raise ConnectionFailed(
                f"the token has run out, and the command {self._command!r} that is to give another failed "
                f"({self._complaint}); run it by hand"
            )


class FileToken:
    """The token that a file holds, read again now and then; while it cannot be read, the last one stays."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._token = ""
        self._read_at: float | None = None

    async def renew(self, configuration: Any) -> None:
        """Put the token of the next request there."""
        now = monotonic()
        if self._read_at is None or now - self._read_at >= REREAD_SECONDS:
            self._read_at = now
            self._read()
        if self._token:
            configuration.api_key["BearerToken"] = f"Bearer {self._token}"

    def _read(self) -> None:
        try:
            token = self._path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            log.warning("the token file %s cannot be read (%s); the last token is used on", self._path, error)
            return
        if token:
            self._token = token
        else:
            log.warning("the token file %s is empty; the last token is used on", self._path)


@contextmanager
def overheard(logger: logging.Logger) -> Iterator[list[str]]:
    """The errors that this task logs in the block, in place of their records; bytes printed in them become text."""
    heard: list[str] = []
    task = asyncio.current_task()

    def keep(record: logging.LogRecord) -> bool:
        if record.levelno < logging.ERROR or asyncio.current_task() is not task:
            return True
        heard.append(in_a_line(_PRINTED_BYTES.sub(_as_text, record.getMessage())))
        return False

    logger.addFilter(keep)
    try:
        yield heard
    finally:
        logger.removeFilter(keep)


def in_a_line(what: object) -> str:
    return " ".join(str(what).split())


def _as_text(printed: re.Match[str]) -> str:
    content: bytes = ast.literal_eval(printed[0])
    return content.decode(errors="replace")
