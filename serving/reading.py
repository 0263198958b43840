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

MAX_FRAMED_BYTES: Final = 2 * MAX_BODY_BYTES
"""Of a body as it is sent, in chunks, say: nobody sends a byte in each."""

_FIELDS: Final = frozenset(
    (b"host", b"content-type", b"content-encoding", b"content-length", b"transfer-encoding", b"expect")
)


class Reader:
    """Makes requests of what one connection receives. `deliver` gets each when it is here whole, in their order.

    A request that cannot be read, or is not for us, is delivered with its answer. Where it has a body that is not
    wanted, or has no end that can be found, nothing is read after it (`has_ended`).
    """

    __slots__ = (
        "_app", "_chunks", "_deliver", "_fed_bytes", "_fields", "_head_seconds", "_in_head", "_interim", "_parser",
        "_received_bytes", "_remote", "_request", "_skips", "_target", "deadline", "has_ended", "leaves_unread",
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
        self.leaves_unread = False
        """Whether the client may still be sending what nobody reads."""

        self._in_head = False
        self._request: Request | None = None
        self._skips = False
        self._target = b""
        self._fields: dict[bytes, bytes] = {}
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
        """The deadline has passed: a body is told so. Nobody answers half a head."""
        seconds = self._app.body_deadline_seconds
        if self._request is not None:
            text = f"the body did not arrive within {seconds:g} s; send it whole"
            self._give_up(InvalidRequest(text, status=408, reason="slow_body"))

    def close(self) -> None:
        """Nothing more comes."""
        self.has_ended = True
        if self._request is not None:
            BODIES.release(self._request)

    def _bound(self) -> None:
        if self._in_head:
            if self._fed_bytes > MAX_HEAD_BYTES:
                text = f"the head of this request is over the limit of {MAX_HEAD_BYTES} bytes"
                self._give_up(InvalidRequest(text, status=431, reason="head_too_large"))
            elif self.deadline == inf:
                self.deadline = monotonic() + self._head_seconds
        elif self._request is not None and self._fed_bytes > MAX_FRAMED_BYTES:
            self._give_up(too_large())

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
        request.keeps_connection = False
        self._hand_over(request)

    def _hand_over(self, request: Request) -> None:
        self.deadline, self._fed_bytes = inf, 0
        self._request, self._in_head = None, False
        self._deliver(request)

    # What follows is called by httptools, within `feed`.

    def on_message_begin(self) -> None:
        self._in_head = True
        self._target = b""
        self._fields.clear()

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head and (name := name.lower()) in _FIELDS:
            self._fields[name] = value

    def on_headers_complete(self) -> None:
        if self.has_ended:
            return
        request = self._begun()
        self._in_head, self._skips, self._received_bytes = False, False, 0
        declared = self._fields.get(b"content-length")
        declared_bytes = None if declared is None else int(declared)
        has_body = bool(declared_bytes) or b"transfer-encoding" in self._fields
        why_not = self._unreadable(has_body=has_body)
        if why_not is not None:
            self._request = request
            self._give_up(_unreadable(why_not))
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
            if self._fields.get(b"expect", b"").lower() == b"100-continue":
                self._interim(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _begun(self) -> Request:
        return Request(
            method=self._parser.get_method().decode(),
            path=_path(self._target),
            remote=self._remote,
            head_at=monotonic(),
            keeps_connection=self._parser.should_keep_alive(),
        )

    def _unreadable(self, *, has_body: bool) -> str | None:
        """What of a head does not go together, though each line of it can be read."""
        if has_body and self._parser.should_upgrade():
            return "its body is to be of another protocol"
        if b"host" not in self._fields and self._parser.get_http_version() == "1.1":
            return "it names no Host, which RFC 9112 demands"
        return None

    def on_body(self, chunk: bytes) -> None:
        request = self._request
        if request is None or self._skips:
            return
        self._received_bytes += len(chunk)
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
        self.has_ended = not request.keeps_connection
        self._hand_over(request)


def _path(target: bytes) -> str:
    """Of the origin form, as all clients send it, or the absolute form, as they send it to proxies."""
    if not target.startswith(b"/"):
        with suppress(httptools.HttpParserInvalidURLError):  # the authority form of CONNECT
            target = httptools.parse_url(target).path or b"/"
    return target.partition(b"?")[0].decode("latin-1")


def _unreadable(why: str) -> InvalidRequest:
    return InvalidRequest(f"this is not a request that can be read: {why}", reason="http")
