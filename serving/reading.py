"""Bytes become requests: httptools reads HTTP/1.1, and this bounds what a client may make us keep."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from math import inf
from time import monotonic
from typing import Final

import httptools

from model.errors import InvalidRequest
from serving.answers import fail, refuse
from serving.apps import MAX_BODY_BYTES, App, too_large
from serving.budget import BODIES
from serving.messages import Request

MAX_HEAD_BYTES: Final = 32 * 1024
"""Four times what the heads of API servers and schedulers with client certificates and tracing come to."""

BODY_BYTES_PER_FRAMING: Final = 8
"""What stands around a body (the head, the sizes of chunks, trailers) may be twice what a head may be, and one byte
more for so many of the body: whoever sends a body in chunks of a few bytes makes more work than sense."""

MOST_PIPELINED: Final = 16
"""Requests that are taken from what is read at once. Others' requests are not read meanwhile."""

_AROUND_A_FIELD: Final = len(": \r\n")

_FIELDS: Final = frozenset(
    (b"host", b"content-type", b"content-encoding", b"content-length", b"transfer-encoding", b"expect")
)
"""What is looked at; none of them may come twice."""


class Reader:
    """Makes requests of what one connection receives. `deliver` gets each when it is here whole, in their order.

    A request that cannot be read, or is not for us, is delivered with its answer. Where it has a body that is not
    wanted, or has no end that can be found, nothing is read after it (`has_ended`).
    """

    __slots__ = (
        "_app", "_chunks", "_deliver", "_delivered", "_fed_bytes", "_fields", "_head_bytes", "_head_seconds",
        "_in_head", "_interim", "_parser", "_received_bytes", "_remote", "_repeated", "_request", "_skips", "_target",
        "deadline", "has_ended", "leaves_unread",
    )  # fmt: skip

    def __init__(
        self,
        app: App,
        remote: str,
        head_seconds: float,
        deliver: Callable[[Request], None],
        interim: Callable[[bytes], None],
    ) -> None:
        """`interim` sends what a client waits for that has announced a body (100 Continue)."""
        self._app = app
        self._remote = remote
        self._head_seconds = head_seconds
        self._deliver = deliver
        self._interim = interim
        self._parser = httptools.HttpRequestParser(self)
        self.deadline = monotonic() + head_seconds
        """By when the head, or the body, that is being read must be here; a connection begins with a head."""

        self.has_ended = False
        """Whether the request delivered last is the last one."""

        self.leaves_unread = False
        """Whether the client may still be sending what nobody reads."""

        self._in_head = False
        self._request: Request | None = None
        self._skips = False
        self._target = b""
        self._fields: dict[bytes, bytes] = {}
        self._repeated = b""
        self._delivered = 0
        self._head_bytes = 0
        self._chunks: list[bytes] = []
        self._fed_bytes = 0
        self._received_bytes = 0

    @property
    def has_begun(self) -> bool:
        """Whether a part of a request is here."""
        return self._in_head or self._request is not None

    def feed(self, data: bytes) -> None:
        if self.has_ended:
            return
        self._fed_bytes += len(data)
        self._delivered = 0
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.has_ended = True  # its request was delivered, and is answered as if it wanted nothing else
        except httptools.HttpParserCallbackError as error:
            self._fail(error.__context__ or error)
        except httptools.HttpParserError as error:
            self._give_up(_unreadable(str(error)))
        self._bound()

    def give_up(self) -> None:
        """The deadline has passed: a body is told so. Nobody answers half a head; nothing is read after it."""
        seconds = self._app.body_deadline_seconds
        if self._request is not None:
            text = f"the body did not arrive within {seconds:g} s; send it whole"
            self._give_up(InvalidRequest(text, status=408, reason="slow_body"))
        self.close()

    def resume(self) -> None:
        """It was not for the client that nothing was read: what it has begun has its time from now."""
        if self.deadline < inf:
            self.deadline = monotonic() + (self._head_seconds if self._in_head else self._app.body_deadline_seconds)

    def close(self) -> None:
        """Nothing more is read."""
        self.has_ended = True
        self.deadline = inf
        self._chunks.clear()
        if self._request is not None:
            BODIES.release(self._request)

    def _bound(self) -> None:
        if self._in_head:
            if self._fed_bytes > MAX_HEAD_BYTES:
                self._give_up(_head_too_large())
            elif self.deadline == inf:
                self.deadline = monotonic() + self._head_seconds
        elif self._request is not None:
            framing = self._fed_bytes - self._received_bytes
            if framing > 2 * MAX_HEAD_BYTES + self._received_bytes // BODY_BYTES_PER_FRAMING:
                self._give_up(_unreadable("its body comes in too small pieces; send it whole"))

    def _give_up(self, error: InvalidRequest) -> None:
        if self.has_ended:
            return
        request = self._request or Request("", "", self._remote, monotonic())
        request.answer = refuse(self._app.name, request, error)
        self._end(request)

    def _fail(self, error: BaseException) -> None:
        request = self._request or Request("", "", self._remote, monotonic())
        request.answer = fail(self._app.name, request, error)
        self._end(request)

    def _end(self, request: Request) -> None:
        """Answer this one, and read no more."""
        self.has_ended = self.leaves_unread = True
        self._chunks.clear()
        self._hand_over(request)

    def _hand_over(self, request: Request) -> None:
        self.deadline, self._fed_bytes = inf, 0
        self._request, self._in_head = None, False
        self._delivered += 1
        request.whole_at = monotonic()
        self._deliver(request)

    # What follows is called by httptools, within `feed`.

    def on_message_begin(self) -> None:
        self._in_head, self._head_bytes = True, 0
        self._target = self._repeated = b""
        self._fields.clear()

    def on_url(self, url: bytes) -> None:
        self._target += url
        self._head_bytes += len(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:  # a trailer, of which nothing is wanted
            return
        self._head_bytes += len(name) + len(value) + _AROUND_A_FIELD
        if (name := name.lower()) in _FIELDS:
            if name in self._fields:
                self._repeated = name
            self._fields[name] = value

    def on_headers_complete(self) -> None:
        if self.has_ended:
            return
        request = self._begun()
        self._in_head, self._skips, self._received_bytes = False, False, 0
        declared = self._fields.get(b"content-length")
        declared_bytes = None if declared is None else int(declared)
        has_body = bool(declared_bytes) or b"transfer-encoding" in self._fields
        why_not = self._refusal(has_body=has_body)
        if why_not is not None:
            self._request = request
            self._give_up(why_not)
            return
        request.answer = self._app.refusal(request, self._fields, declared_bytes)
        if has_body and request.answer is not None:
            self._end(request)
            return
        self._request, self.deadline = request, inf
        if has_body:
            request.answer = self._app.shed(request)
            self._skips = request.answer is not None
            self.deadline = request.head_at + self._app.body_deadline_seconds
            if self._fields.get(b"expect", b"").lower() == b"100-continue" and self._parser.get_http_version() == "1.1":
                self._interim(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _begun(self) -> Request:
        return Request(
            method=self._parser.get_method().decode(),
            path=_path(self._target),
            remote=self._remote,
            head_at=monotonic(),
        )

    def _refusal(self, *, has_body: bool) -> InvalidRequest | None:
        """Why a head will not do, though each line of it can be read."""
        version, coding = self._parser.get_http_version(), self._fields.get(b"transfer-encoding")
        if self._head_bytes > MAX_HEAD_BYTES:
            return _head_too_large()
        if self._delivered >= MOST_PIPELINED:
            return _unreadable(f"more than {MOST_PIPELINED} came at once; wait for answers")
        if version not in ("1.0", "1.1"):
            return _unreadable(f"HTTP/{version} is not spoken here; send HTTP/1.1")
        if version == "1.1" and b"host" not in self._fields:
            return _unreadable("it names no Host, which RFC 9112 demands")
        if self._repeated:
            return _unreadable(f"{self._repeated.decode()} comes twice")
        if coding is not None and (coding.lower() != b"chunked" or version == "1.0"):
            return _unreadable("its Transfer-Encoding is not just `chunked`, of HTTP/1.1")
        if has_body and self._parser.should_upgrade():
            return _unreadable("its body is to be of another protocol")
        return None

    def _keeps_connection(self) -> bool:
        """HTTP/1.0 has its own way of asking for it, which nobody needs here."""
        parser = self._parser
        return parser.should_keep_alive() and not parser.should_upgrade() and parser.get_http_version() == "1.1"

    def on_body(self, chunk: bytes) -> None:
        request = self._request
        if request is None:
            return
        self._received_bytes += len(chunk)
        if self._skips:
            return
        try:
            if self._received_bytes > MAX_BODY_BYTES:
                raise too_large()
            BODIES.hold(request, self._received_bytes)
        except InvalidRequest as error:
            self._give_up(error)
            return
        self._chunks.append(chunk)

    def on_message_complete(self) -> None:
        request, chunks = self._request, self._chunks
        if request is None:
            return
        request.body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self.has_ended = not self._keeps_connection()
        self._hand_over(request)


def _path(target: bytes) -> str:
    """Of the origin form, as all clients send it, or the absolute form, as they send it to proxies."""
    if not target.startswith(b"/"):
        with suppress(httptools.HttpParserInvalidURLError):  # the authority form of CONNECT
            target = httptools.parse_url(target).path or b"/"
    return target.partition(b"?")[0].decode("latin-1")


def _head_too_large() -> InvalidRequest:
    text = f"the head of this request is over the limit of {MAX_HEAD_BYTES} bytes"
    return InvalidRequest(text, status=431, reason="head_too_large")


def _unreadable(why: str) -> InvalidRequest:
    return InvalidRequest(f"this is not a request that can be read: {why}", reason="http")
