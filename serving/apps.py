"""What a listener serves: handlers by path, and what a request must be like before one of them sees it.

A handler gets a request that is here whole, and returns its answer, or something to wait for that will. It may raise
InvalidRequest. None ever answers 500.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from model.errors import InvalidRequest
from serving.answers import fail, refuse
from serving.messages import JSON, Answer, Request
from serving.turns import Turns

UNKNOWN_PATH: Final = "unknown"

MAX_BODY_BYTES: Final = 8 * 1024 * 1024
BODY_DEADLINE_SECONDS: Final = 4.0
"""Less than the 5 s after which API servers and schedulers stop waiting for the answer."""

HANDLING_DEADLINE_SECONDS: Final = 10.0
"""Nobody waits for an answer any more by then: API servers and schedulers give up after 5 s."""

Handler = Callable[[Request], Answer | Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Crowd:
    """With more requests than `most` that wait for their turn, or more bytes, those with a body that come are shed.

    The body of what is shed is thrown away unread; `shed` makes its answer.
    """

    most: int
    most_bytes: int
    shed: Callable[[Request], Answer]


class App:
    """Paths and their handlers; `name` is that of the listener in logs and metrics."""

    def __init__(
        self,
        name: str,
        *,
        crowd: Crowd | None = None,
        body_deadline_seconds: float = BODY_DEADLINE_SECONDS,
        handling_deadline_seconds: float = HANDLING_DEADLINE_SECONDS,
    ) -> None:
        self.name = name
        self.body_deadline_seconds = body_deadline_seconds
        self.turns: Turns[object] = Turns()
        self._crowd = crowd
        self._handling_deadline_seconds = handling_deadline_seconds
        self._routes: dict[str, dict[str, Handler]] = {}

    def get(self, path: str, handle: Handler) -> None:
        """HEAD is answered too."""
        self._routes.setdefault(path, {}).update(GET=handle, HEAD=handle)

    def post(self, path: str, handle: Handler) -> None:
        """Its bodies are JSON, not yet parsed, and never empty."""
        self._routes.setdefault(path, {})["POST"] = handle

    @property
    def operations(self) -> set[tuple[str, str]]:
        """What is served: methods and paths."""
        return {(method, path) for path, methods in self._routes.items() for method in methods}

    def label(self, request: Request) -> str:
        """Its path, where that is one of ours: paths of strangers make no metrics."""
        return request.path if request.path in self._routes else UNKNOWN_PATH

    def refusal(self, request: Request, fields: Mapping[bytes, bytes], declared_bytes: int | None) -> Answer | None:
        """The answer to a request of which the head says that it is none for us; `fields` by lower-case name."""
        methods = self._routes.get(request.path)
        if methods is None:
            return refuse(self.name, request, self._unknown_path(request))
        if request.method not in methods:
            allowed = sorted(methods)
            return refuse(self.name, request, _wrong_method(request, allowed), headers=(("Allow", ", ".join(allowed)),))
        try:
            if request.method == "POST":
                check_media_type(fields)
            if declared_bytes is not None and declared_bytes > MAX_BODY_BYTES:
                raise too_large()
        except InvalidRequest as error:
            return refuse(self.name, request, error)
        return None

    def shed(self, request: Request) -> Answer | None:
        """The answer to a request that comes while too many wait; None where its turn will come."""
        crowd = self._crowd
        if crowd is None or (len(self.turns) < crowd.most and self.turns.size_bytes < crowd.most_bytes):
            return None
        return crowd.shed(request)

    def answer(self, request: Request) -> Answer | Awaitable[Answer]:
        """Of a request that was not refused, and whose turn has come. What is to be waited for raises nothing."""
        handle = self._routes[request.path][request.method]
        if request.method == "POST" and not request.body:
            empty = InvalidRequest("the body is empty; send a JSON document", reason="empty_body")
            return refuse(self.name, request, empty)
        try:
            result = handle(request)
        except InvalidRequest as error:
            return refuse(self.name, request, error)
        except Exception as error:  # noqa: BLE001 - the last resort of every request: logged in full, and never a 500
            return fail(self.name, request, error)
        return result if isinstance(result, Answer) else self._in_time(request, result)

    async def _in_time(self, request: Request, work: Awaitable[Answer]) -> Answer:
        deadline = asyncio.timeout(self._handling_deadline_seconds)
        try:
            async with deadline:
                return await work
        except InvalidRequest as error:
            return refuse(self.name, request, error)
        except Exception as error:  # noqa: BLE001 - as above
            if deadline.expired():
                return refuse(self.name, request, _overdue(self._handling_deadline_seconds))
            return fail(self.name, request, error)

    def _unknown_path(self, request: Request) -> InvalidRequest:
        known = ", ".join(sorted(self._routes))
        return InvalidRequest(
            f"there is nothing at {request.path!r}; served here: {known}", status=404, reason="unknown_path"
        )


def check_media_type(fields: Mapping[bytes, bytes]) -> None:
    """Raises InvalidRequest with 415 where the body will not be plain JSON."""
    named = fields.get(b"content-type", b"").decode("latin-1")
    if named.partition(";")[0].strip().lower() != JSON:
        what = f"Content-Type {named!r}" if named else "a body without Content-Type"
        raise InvalidRequest(f"{what} is not served here; send {JSON}", status=415, reason="content_type")
    encoding = fields.get(b"content-encoding", b"identity").decode("latin-1").strip()
    if encoding.lower() != "identity":
        raise InvalidRequest(
            f"Content-Encoding {encoding!r} is not served here; send the body uncompressed",
            status=415,
            reason="content_encoding",
        )


def too_large() -> InvalidRequest:
    return InvalidRequest(f"the body is over the limit of {MAX_BODY_BYTES} bytes", status=413, reason="too_large")


def _wrong_method(request: Request, allowed: list[str]) -> InvalidRequest:
    return InvalidRequest(
        f"{request.method} is not served at {request.path}; use {' or '.join(allowed)}", status=405, reason="method"
    )


def _overdue(deadline_seconds: float) -> InvalidRequest:
    return InvalidRequest(f"no answer was found within {deadline_seconds:g} s", status=503, reason="slow_handling")
