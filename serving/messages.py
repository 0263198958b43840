"""Requests as they were read, and answers as they are written: HTTP/1.1 (RFC 9112), whole bodies only."""

from __future__ import annotations

import time
from dataclasses import dataclass
from email.utils import formatdate
from functools import cache, lru_cache
from http import HTTPStatus
from typing import Final

JSON: Final = "application/json"
TEXT: Final = "text/plain; charset=utf-8"


@dataclass(slots=True)
class Answer:
    """What a request is answered with; the connection adds what is the connection's."""

    status: int = 200
    body: bytes = b""
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


def sentence(status: int, text: str, *, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """An answer that people read."""
    return Answer(status, f"{text}\n".encode(), TEXT, headers)


@dataclass(slots=True)
class Request:
    """One request; its body is empty until all of it is here.

    `path` has no query. `head_at` and `whole_at` are when its head, and all of it, was here, on the monotonic clock.
    """

    method: str
    path: str
    remote: str
    head_at: float
    whole_at: float = 0.0
    body: bytes = b""
    held_bytes: int = 0
    """What of its body is counted (`serving.budget`)."""

    answer: Answer | None = None
    """Where it is known before anybody looks at the request, because it is refused or shed."""

    def waited(self) -> float:
        """Seconds since it was here whole: what its client took is not counted."""
        return time.monotonic() - self.whole_at


def encode(answer: Answer, *, with_body: bool, closes: bool) -> bytes:
    """`with_body` is False for what answers HEAD."""
    more = "".join(f"{name}: {value}\r\n" for name, value in answer.headers) if answer.headers else ""
    if closes:
        more += "Connection: close\r\n"
    head = b"%b%bContent-Length: %d\r\n%b\r\n" % (
        _begin(answer.status, answer.content_type),
        _date(int(time.time())),
        len(answer.body),
        more.encode("latin-1"),
    )
    return head + answer.body if with_body else head


@cache
def _begin(status: int, content_type: str) -> bytes:
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: {content_type}\r\n".encode()


@lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    return f"Date: {formatdate(second, usegmt=True)}\r\n".encode()
