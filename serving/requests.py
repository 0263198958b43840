"""Reading the body of a request: its type, its size and its time are bounded before anything looks inside."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web

from model.errors import InvalidRequest
from serving.budget import BODIES

MAX_BODY_BYTES: Final = 8 * 1024 * 1024
BODY_DEADLINE_SECONDS: Final = 4.0
"""Less than the 5 s after which API servers and schedulers stop waiting for the answer."""


async def read_json(
    request: web.Request,
    *,
    limit_bytes: int = MAX_BODY_BYTES,
    deadline_seconds: float = BODY_DEADLINE_SECONDS,
) -> bytes:
    """The body of a JSON request, not yet parsed; raises InvalidRequest with 400, 408, 413, 415 or 503.

    A declared length over the limit is refused without reading; a chunked body, as soon as it passes the limit.
    """
    _check_media_type(request)
    declared = request.content_length
    if declared is not None and declared > limit_bytes:
        raise _too_large(limit_bytes)
    try:
        body = await _read_in_time(request, limit_bytes, deadline_seconds)
    except TimeoutError as error:
        raise InvalidRequest(
            f"the body did not arrive within {deadline_seconds:g} s; send it whole",
            status=408,
            reason="slow_body",
        ) from error
    except (web.RequestPayloadError, ConnectionError) as error:
        raise InvalidRequest("the body broke off before its end", reason="broken_body") from error
    if not body:
        raise InvalidRequest("the body is empty; send a JSON document", reason="empty_body")
    return body


def _check_media_type(request: web.Request) -> None:
    media_type = request.headers.get("Content-Type", "").partition(";")[0].strip()
    if media_type.lower() != "application/json":
        named = f"Content-Type {media_type!r}" if media_type else "a body without Content-Type"
        raise InvalidRequest(f"{named} is not served here; send application/json", status=415, reason="content_type")
    encoding = request.headers.get("Content-Encoding", "identity").strip()
    if encoding.lower() != "identity":
        raise InvalidRequest(
            f"Content-Encoding {encoding!r} is not served here; send the body uncompressed",
            status=415,
            reason="content_encoding",
        )


async def _read_in_time(request: web.Request, limit_bytes: int, deadline_seconds: float) -> bytes:
    """Most bodies are here as a whole when their handler begins, and need no deadline."""
    if request.content.is_eof():
        body = request.content.read_nowait()
        if len(body) > limit_bytes:
            raise _too_large(limit_bytes)
        return body
    async with asyncio.timeout(deadline_seconds):
        return await _read(request, limit_bytes)


async def _read(request: web.Request, limit_bytes: int) -> bytes:
    chunks: list[bytes] = []
    received_bytes = 0
    async for chunk in request.content.iter_any():
        received_bytes += len(chunk)
        if received_bytes > limit_bytes:
            raise _too_large(limit_bytes)
        BODIES.hold(request, received_bytes)
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _too_large(limit_bytes: int) -> InvalidRequest:
    return InvalidRequest(f"the body is over the limit of {limit_bytes} bytes", status=413, reason="too_large")
