"""Raw JSON over one connection pool to the API server; what it refuses becomes an error of our own tree."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Final, Self, TypeVar, cast

import aiohttp
import msgspec

from cluster import wire
from cluster.access import Access
from model.errors import ApiError, Conflict, ConnectionFailed, Expired, NotFound

T = TypeVar("T")

USER_AGENT: Final = "stoker"
REQUEST_SECONDS: Final = 30.0
CONNECTIONS: Final = 64

KEEPALIVE: Final = {"TCP_KEEPIDLE": 15, "TCP_KEEPALIVE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
"""Seconds without a byte, seconds between questions, and unanswered ones until a connection counts as broken. A server
that vanished with its machine sends no end of a watch, and an idle watch would wait for one for minutes. Platforms
differ in the options that they have: macOS calls the first one TCP_KEEPALIVE."""

MERGE_PATCH: Final = "application/merge-patch+json"
STRATEGIC_PATCH: Final = "application/strategic-merge-patch+json"

METADATA_ONLY: Final = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
"""An Accept header: of the object that a request answers, send the metadata."""

_ERRORS: Final[Mapping[int, type[ApiError]]] = {404: NotFound, 409: Conflict, 410: Expired}


class _Status(msgspec.Struct, frozen=True):
    """What of a `Status` object makes an error message."""

    message: str = ""
    reason: str = ""


class ApiClient:
    """A client of one API server. Paths are absolute (`/api/v1/nodes`); bodies are JSON-serialisable values.

    Every method raises ApiError (or the subclass of its status) when the server refuses, ConnectionFailed when it
    cannot be reached or does not answer in time.
    """

    def __init__(self, access: Access, *, connections: int = CONNECTIONS) -> None:
        self._access = access
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections, ssl=access.ssl_context, socket_factory=_kept_alive),
            timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS, sock_connect=5),
            headers={"User-Agent": USER_AGENT, "Accept": "application/json"},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=True,
        )

    @property
    def server(self) -> str:
        """Base URL without a trailing slash."""
        return self._access.server

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._session.close()

    async def get(self, path: str, **query: str | int) -> Any:
        return _decoded(await self.get_bytes(path, **query), path, Any)

    async def get_as(self, path: str, kind: type[T], **query: str | int) -> T:
        """The answer as this struct; ConnectionFailed where it is not one."""
        return cast("T", _decoded(await self.get_bytes(path, **query), path, kind))

    async def get_bytes(self, path: str, **query: str | int) -> bytes:
        async with self._request("GET", path, query=query) as response:
            return await response.read()

    async def create(self, path: str, body: Any, **query: str | int) -> Any:
        """POST an object to its collection; Conflict where it exists already."""
        return await self._send("POST", path, body, "application/json", query)

    async def update(self, path: str, body: Any, **query: str | int) -> Any:
        """PUT a whole object; a `metadata.resourceVersion` in it is a precondition (Conflict where it is not met)."""
        return await self._send("PUT", path, body, "application/json", query)

    async def patch(self, path: str, body: Any, content_type: str = MERGE_PATCH, **query: str | int) -> Any:
        """PATCH an object. In a merge patch `metadata.uid` and `metadata.resourceVersion` are preconditions."""
        return await self._send("PATCH", path, body, content_type, query)

    async def patch_for_version(self, path: str, body: Any) -> str:
        """A merge patch whose answer is the new resourceVersion alone: the server does not send the object back."""
        return await self._send_for_version("PATCH", path, body, MERGE_PATCH)

    async def update_for_version(self, path: str, body: Any) -> str:
        """`update` with the same short answer."""
        return await self._send_for_version("PUT", path, body, "application/json")

    async def delete(self, path: str, body: Any = None, **query: str | int) -> None:
        """DELETE an object; `body` may be DeleteOptions with preconditions."""
        await self._send("DELETE", path, body, "application/json", query)

    @asynccontextmanager
    async def stream(
        self, path: str, query: Mapping[str, str | int], silent_seconds: float | None = None
    ) -> AsyncIterator[aiohttp.StreamReader]:
        """The body of a long answer (a watch) as a stream; ConnectionFailed after `silent_seconds` without a byte.

        The answer begins within `REQUEST_SECONDS`, as every other.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=silent_seconds)
        async with self._request("GET", path, query=query, timeout=timeout) as response:
            yield response.content

    async def _send(self, method: str, path: str, body: Any, content_type: str, query: Mapping[str, str | int]) -> Any:
        data = b"" if body is None else msgspec.json.encode(body)
        headers = {"Content-Type": content_type}
        async with self._request(method, path, query=query, data=data, headers=headers) as response:
            return _decoded(await response.read(), path, Any)

    async def _send_for_version(self, method: str, path: str, body: Any, content_type: str) -> str:
        data = msgspec.json.encode(body)
        headers = {"Content-Type": content_type, "Accept": METADATA_ONLY}
        async with self._request(method, path, query={}, data=data, headers=headers) as response:
            return msgspec.json.decode(await response.read(), type=wire.Object).metadata.resource_version

    @asynccontextmanager
    async def _request(
        self, method: str, path: str, *, query: Mapping[str, str | int], **options: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = dict(options.pop("headers", {}))
        url = f"{self._access.server}{path}"
        try:
            async with asyncio.timeout(REQUEST_SECONDS) as beginning:
                if authorization := await self._access.authorization():
                    headers["Authorization"] = authorization
                async with self._session.request(method, url, params=query, headers=headers, **options) as response:
                    if response.status >= 400:
                        raise _refusal(method, path, response.status, await response.read())
                    beginning.reschedule(None)
                    yield response
        except (TimeoutError, aiohttp.ClientError, ConnectionError) as error:
            what = str(error) or type(error).__name__
            raise ConnectionFailed(f"{method} {path}: no answer from {self._access.server} ({what})") from error


def _kept_alive(address: aiohttp.AddrInfoType) -> socket.socket:
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        if (option := getattr(socket, name, None)) is not None:
            made.setsockopt(socket.IPPROTO_TCP, option, value)
    return made


def _decoded(body: bytes, path: str, kind: Any) -> Any:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.MsgspecError as error:
        raise ConnectionFailed(f"{path}: the answer is not JSON ({error}); is this a Kubernetes API server?") from error


def _refusal(method: str, path: str, status: int, body: bytes) -> ApiError:
    try:
        answer = msgspec.json.decode(body, type=_Status)
    except msgspec.MsgspecError:
        answer = _Status(message=body[:200].decode(errors="replace"))
    kind = _ERRORS.get(status, ApiError)
    return kind(f"{method} {path}: {status} {answer.message}", status=status, reason=answer.reason)
