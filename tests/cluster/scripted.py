"""An API server that plays a script: each request for the collection gets the next answer, the last ones wait."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from cluster import reflector, wire
from cluster.access import Access
from cluster.client import ApiClient
from cluster.reflector import Reflector, Resource
from tests.cluster.objects import node_document

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
PATH = "/api/v1/nodes"
DEADLINE_SECONDS = 20.0


def event(kind: str, name: str, version: int, **members: Any) -> bytes:
    document = node_document(name, **members)
    document["metadata"]["resourceVersion"] = str(version)
    return line({"type": kind, "object": document})


def bookmark(version: int, *, ends_list: bool = False) -> bytes:
    metadata: dict[str, Any] = {"resourceVersion": str(version)}
    if ends_list:
        metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
    return line({"type": "BOOKMARK", "object": {"kind": "Node", "metadata": metadata}})


def failure(code: int) -> bytes:
    return line({"type": "ERROR", "object": {"kind": "Status", "code": code, "message": "too old", "reason": "Gone"}})


def line(document: Any) -> bytes:
    return json.dumps(document).encode() + b"\n"


def stream(*parts: bytes | asyncio.Event, then: str = "wait") -> Answer:
    """A watch of these bytes that then waits for ever, ends, or breaks off (`wait`, `end`, `break`).

    Where a part is an event, that is waited for.
    """

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for part in parts:
            if isinstance(part, asyncio.Event):
                await part.wait()
            else:
                await response.write(part)
        if then == "wait":
            await asyncio.Event().wait()
        if then == "break":
            assert request.transport is not None
            request.transport.close()
        return response

    return answer


def refusal(status: int) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response(
            {"kind": "Status", "message": "no", "reason": "Refused", "code": status}, status=status
        )

    return answer


def page(version: int, *names: str, token: str = "") -> Answer:
    items = [json.loads(event("", name, version))["object"] for name in names]

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response({"metadata": {"resourceVersion": str(version), "continue": token}, "items": items})

    return answer


def listed(version: int, *names: str, then: str = "wait", after: tuple[bytes, ...] = ()) -> Answer:
    """A streaming list of these nodes, and what follows it."""
    added = [event("ADDED", name, index + 1) for index, name in enumerate(names)]
    return stream(*added, bookmark(version, ends_list=True), *after, then=then)


class Following:
    """A reflector at the scripted server: what it asked for, what it told, and how long it waited between."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.queries: list[dict[str, str]] = []
        self.told: list[str] = []
        self.waits: list[float] = []
        self.stumbles_over = ""
        self.unsigned_request = 0
        self.endless_wait = 0
        self._signed = 0
        self.reflector: Reflector[wire.Node]
        self._news = asyncio.Event()

    @property
    def names(self) -> list[str]:
        return sorted(self.reflector.objects)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until a condition holds; it is looked at after each request, change and wait, and now and then."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not holds():
                self._news.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), 0.02)

    async def asked(self, times: int) -> dict[str, str]:
        """The query of the request of that number, once it has come."""
        await self.until(lambda: len(self.queries) >= times)
        return self.queries[times - 1]

    async def until_resumed(self) -> None:
        """Let time pass until a watch that counts as broken counts as resumed."""

        def is_resumed() -> bool:
            self.now += 1.0
            return self.reflector.complaint() is None

        await self.until(is_resumed)

    def tell(self, old: wire.Node | None, new: wire.Node | None) -> None:
        subject = new or old
        assert subject is not None
        word = "changed" if old and new else "appeared" if new else "gone"
        self.told.append(f"{subject.metadata.name} {word}")
        self._news.set()
        if subject.metadata.name == self.stumbles_over:
            raise RuntimeError("stumbled")

    def ask(self, request: web.Request) -> None:
        self.queries.append(dict(request.query))
        self._news.set()

    async def authorization(self) -> str | None:
        """Nobody in particular; for the request of the number `unsigned_request`, a mistake."""
        self._signed += 1
        if self._signed == self.unsigned_request:
            raise RuntimeError("no token")
        return None

    async def sleep(self, seconds: float) -> None:
        """Takes no time; the wait of the number `endless_wait` does not end."""
        self.waits.append(seconds)
        self._news.set()
        if len(self.waits) == self.endless_wait:
            await asyncio.Event().wait()
        await asyncio.sleep(0)


@asynccontextmanager
async def serving(*script: Answer, following: Following) -> AsyncIterator[ApiClient]:
    """A client of a server that answers by the script; what comes after its end waits."""
    answers = iter(script)

    async def answer(request: web.Request) -> web.StreamResponse:
        chosen = next(answers, stream())
        following.ask(request)
        return await chosen(request)

    app = web.Application()
    app.router.add_get(PATH, answer)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server(shutdown_timeout=0)
    url = str(server.make_url("/")).rstrip("/")
    try:
        async with ApiClient(Access(url, ssl.create_default_context(), following.authorization)) as client:
            yield client
    finally:
        await server.close()


@asynccontextmanager
async def following(*script: Answer, unsigned_request: int = 0, is_small: bool = False) -> AsyncIterator[Following]:
    """A reflector of nodes that runs against the script; its clock stands still and its waits take no time."""
    state = Following()
    state.unsigned_request = unsigned_request
    async with serving(*script, following=state) as client:
        resource = Resource("scripted", PATH, wire.Node, {"fieldSelector": "spec.x=y"}, is_small=is_small)
        state.reflector = reflector.Reflector(client, resource, state.tell, clock=lambda: state.now, sleep=state.sleep)
        task = asyncio.create_task(state.reflector.run())
        try:
            yield state
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
