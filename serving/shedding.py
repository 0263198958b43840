"""Requests that are turned away unparsed, where more wait than can be answered in time.

aiohttp's parser, handler and answer are most of what a small request costs. Who is asked twice as often as can be
answered has to say no for less, or has nothing left for saying yes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from aiohttp import web

from serving.requests import MAX_BODY_BYTES

SHED_STATUS: Final = 429

_END_OF_HEAD: Final = b"\r\n\r\n"
_FIRST_LINE: Final = re.compile(rb"POST ([^ ?]+)(?:\?[^ ]*)? HTTP/1\.1\r\n")
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,9})[ \t]*(?=\r\n)")
_UNUSUAL: Final = (b"\r\ntransfer-encoding:", b"\r\nexpect:", b"\r\nupgrade:", b"\r\nconnection:")


@dataclass(frozen=True)
class Shedding:
    """Which requests of an application are shed, and how: whole ones to POST `path`, on connections that were used."""

    path: str
    most_waiting: int
    """Requests whose head is here and that nobody has begun to answer; with more, those that come are shed."""

    retry_after_seconds: int
    text: str
    count: Callable[[], None]
    """Called for each that was shed."""

    @cached_property
    def answer(self) -> bytes:
        """With 429; the connection stays."""
        body = self.text.encode()
        head = (
            f"HTTP/1.1 {SHED_STATUS} Too Many Requests\r\nContent-Type: text/plain; charset=utf-8\r\n"
            f"Retry-After: {self.retry_after_seconds}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


SHEDDING: Final = web.AppKey("shedding", Shedding)
"""Under which an application tells its Listener."""


def missing_bytes(received: bytes, path: str) -> int | None:
    """How much of a request's body is still to come; None where this is not the begin of one that can be shed.

    That is one with a whole head, a declared length within the limit, and nothing behind it.
    """
    end = received.find(_END_OF_HEAD)
    first = _FIRST_LINE.match(received)
    if end < 0 or first is None or first[1] != path.encode():
        return None
    head = received[: end + 2].lower()
    declared = _LENGTH.search(head)
    if declared is None or head.count(b"\r\ncontent-length") != 1 or any(name in head for name in _UNUSUAL):
        return None
    length = int(declared[1])
    missing = length - (len(received) - end - len(_END_OF_HEAD))
    return missing if missing >= 0 and length <= MAX_BODY_BYTES else None
