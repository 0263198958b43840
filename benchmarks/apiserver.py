"""An API server that has prepared its answers: lists and watches of what Stoker follows, from bytes encoded before.

It costs its machine next to nothing, so that a bench measures who reads and not who serves; and it can be made to tell
thousands of changes a second, which a real one on the same two processors could not.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final, Self

import msgspec
import yaml
from aiohttp import web

from lab.commandlines import LOOPBACK

BOOKMARK_SECONDS: Final = 20.0
CHUNK_BYTES: Final = 1 << 20


def line(kind: str, document: Any) -> bytes:
    """An event of a watch, as it goes over the wire."""
    return msgspec.json.encode({"type": kind, "object": document}) + b"\n"


class _Collection:
    """The events that make up the list, and who watches."""

    def __init__(self, added: bytes) -> None:
        self.added = added
        self.watchers: set[web.StreamResponse] = set()
        self.asked = asyncio.Event()


class ScriptedApiServer:
    """Made by `start`. Collections it was given nothing for are empty; what is written to it is accepted and lost.

    It does not look at selectors.
    """

    def __init__(self) -> None:
        self._collections: dict[str, _Collection] = {}
        self._version = 10**9
        self.url = ""

    @classmethod
    @asynccontextmanager
    async def start(cls) -> AsyncIterator[Self]:
        server = cls()
        app = web.Application()
        app.router.add_get("/{path:.*}", server._watch)
        app.router.add_post("/{path:.*}", _accept)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, LOOPBACK, 0)
        await site.start()
        server.url = f"http://{LOOPBACK}:{runner.addresses[0][1]}"
        bookmarks = asyncio.create_task(server._keep_marking())
        try:
            yield server
        finally:
            bookmarks.cancel()
            await runner.cleanup()

    def kubeconfig(self, directory: Path) -> Path:
        path = directory / "scripted.kubeconfig"
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "scripted",
            "clusters": [{"name": "scripted", "cluster": {"server": self.url}}],
            "users": [{"name": "scripted", "user": {}}],
            "contexts": [{"name": "scripted", "context": {"cluster": "scripted", "user": "scripted"}}],
        }
        path.write_text(yaml.safe_dump(document))
        return path

    def put(self, path: str, documents: Iterable[Any]) -> None:
        """What a list of the collection brings; `documents` have a resourceVersion."""
        self._collection(path).added = b"".join(line("ADDED", item) for item in documents)

    def size_bytes(self, path: str) -> int:
        return len(self._collection(path).added)

    def next_version(self) -> str:
        """Always of the same length, so that encoded objects can be given a new one in place."""
        self._version += 1
        return str(self._version)

    async def asked_for(self, path: str) -> None:
        """Wait for the first request for the collection since this was called last."""
        collection = self._collection(path)
        await collection.asked.wait()
        collection.asked.clear()

    async def tell(self, path: str, event: bytes) -> None:
        """Send a line to everybody who watches the collection."""
        for watcher in tuple(self._collection(path).watchers):
            with suppress(ConnectionError):
                await watcher.write(event)

    def _collection(self, path: str) -> _Collection:
        return self._collections.setdefault(path, _Collection(b""))

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        collection = self._collection(request.path)
        collection.asked.set()
        response = web.StreamResponse()
        await response.prepare(request)
        if "sendInitialEvents" in request.query:
            added = memoryview(collection.added)
            for start in range(0, len(added), CHUNK_BYTES):
                await response.write(added[start : start + CHUNK_BYTES])
            await response.write(self._bookmark(ends_list=True))
        collection.watchers.add(response)
        try:
            await asyncio.Event().wait()
        finally:
            collection.watchers.discard(response)
        return response

    async def _keep_marking(self) -> None:
        while True:
            await asyncio.sleep(BOOKMARK_SECONDS)
            for path in tuple(self._collections):
                await self.tell(path, self._bookmark())

    def _bookmark(self, *, ends_list: bool = False) -> bytes:
        metadata: dict[str, Any] = {"resourceVersion": self.next_version()}
        if ends_list:
            metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
        return line("BOOKMARK", {"metadata": metadata})


async def _accept(request: web.Request) -> web.Response:
    await request.read()
    return web.json_response({"metadata": {}}, status=201)
