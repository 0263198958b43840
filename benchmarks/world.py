"""A cluster of prepared bytes: thousands of nodes, the sample profile, Leases that are renewed, changes at will."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from benchmarks.apiserver import ScriptedApiServer, line
from benchmarks.crowd import NODES, node_name, node_objects
from benchmarks.documents import namespace, stored
from cluster import snapshot
from lab.constants import Constants
from lab.scene import sample_profile
from lab.simulation.objects import runtime_class
from lab.workload import TENANT_NAMESPACE
from model import names

RENEW_SECONDS: Final = 2.0
BATCHES_PER_SECOND: Final = 50
RESERVED: Final = 20
"""The first nodes change only when they are told to."""

REALLY_TOLD: Final = 0.95
"""Where fewer of the intended changes were told, something easier was measured."""

_VERSION: Final = b'"resourceVersion":"'
_HANDLER: Final = b'{"name":"%b"}'
_IMAGES: Final = b'"images":['

LEASES: Final = (names.CONTROLLERS_LEASE, names.SCHEDULER)


@dataclass(slots=True)
class Changes:
    """Of nodes, while they were to change at a rate: how many there should have been, and how many there were."""

    due: int = 0
    told: int = 0

    @property
    def were_told(self) -> bool:
        return self.told >= REALLY_TOLD * self.due


class World:
    """Made by `start`. All changes are told to whoever watches, and to later lists nothing of them."""

    def __init__(self, server: ScriptedApiServer, constants: Constants, count: int) -> None:
        self.server = server
        self.changes = Changes()
        """Of all blocks of `changing`."""

        self.names = [node_name(index) for index in range(count)]
        self._profile = sample_profile(constants)
        self._nodes = [
            msgspec.json.encode(stored(item, server.next_version())) for item in node_objects(constants, count)
        ]
        self._reduced: set[int] = set()
        self._guest = ""
        self._draw = random.Random(constants.seed)  # noqa: S311 - which node changes next, nothing to guard
        server.put(NODES, map(msgspec.Raw, self._nodes))
        server.put(snapshot.PROFILES.path, [stored(self._profile, server.next_version())])
        server.put(snapshot.RUNTIME_CLASSES.path, [stored(runtime_class(constants), server.next_version())])
        self.put_namespaces(0)
        server.put(snapshot.LEASES.path, [_lease(name, server.next_version()) for name in LEASES])

    @classmethod
    @asynccontextmanager
    async def start(cls, constants: Constants, count: int) -> AsyncIterator[Self]:
        async with ScriptedApiServer.start() as server:
            world = cls(server, constants, count)
            renewing = asyncio.create_task(world._keep_renewing())
            try:
                yield world
            finally:
                renewing.cancel()

    def put_namespaces(self, others: int) -> None:
        """The tenant's, and so many others that no profile applies to."""
        namespaces = [_tenants_namespace(), *map(namespace, range(others))]
        path = snapshot.NAMESPACES.path
        self.server.put(path, [stored(item, self.server.next_version()) for item in namespaces])

    def kubeconfig(self, directory: Path) -> Path:
        return self.server.kubeconfig(directory)

    @asynccontextmanager
    async def changing(self, per_second: int) -> AsyncIterator[None]:
        """While the block runs, so many nodes a second lose their largest image, or get it back.

        They do so in batches: what became due since the last one is not counted. What ends them early is raised when
        the block ends.
        """
        loop = asyncio.get_running_loop()
        begun = loop.time()

        async def change() -> None:
            told = 0
            while True:
                await asyncio.sleep(1 / BATCHES_PER_SECOND)
                due = int((loop.time() - begun) * per_second)
                for _ in range(due - told):
                    await self.change_node(self._draw.randrange(RESERVED, len(self.names)))
                    self.changes.told += 1
                told = due

        task = asyncio.create_task(change())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            seconds = loop.time() - begun - 1 / BATCHES_PER_SECOND
            self.changes.due += max(0, int(seconds * per_second))

    async def take_kata_from(self, share: float) -> None:
        """So many of the nodes lose the runtime handler for good, one here and one there."""
        handler = self._profile["spec"]["runtimeClassName"].encode()
        for index in range(RESERVED, len(self.names)):
            if index * share % 1 < share:
                document = _with_version(self._nodes[index], self.server.next_version())
                self._nodes[index] = document.replace(_HANDLER % handler, _HANDLER % (b"x" * len(handler)))
                await self.server.tell(NODES, line("MODIFIED", msgspec.Raw(self._nodes[index])))

    async def change_every_node(self, per_second: int) -> None:
        """Each node's largest image is gone, or there again; one node after the other."""
        loop, begun = asyncio.get_running_loop(), asyncio.get_running_loop().time()
        for index in range(RESERVED, len(self.names)):
            await asyncio.sleep(begun + index / per_second - loop.time())
            await self.change_node(index)

    async def change_node(self, index: int) -> None:
        """The node's largest image is gone, or there again."""
        self._reduced ^= {index}
        document = _with_version(self._nodes[index], self.server.next_version())
        if index in self._reduced:
            document = _without_first_image(document)
        await self.server.tell(NODES, line("MODIFIED", msgspec.Raw(document)))

    async def replace_image(self, index: int, image: bytes) -> None:
        """The node has this image, an entry's JSON, in place of the last of its list."""
        document = _with_last_image(_with_version(self._nodes[index], self.server.next_version()), image)
        self._nodes[index] = document
        await self.server.tell(NODES, line("MODIFIED", msgspec.Raw(document)))

    async def exchange_node(self) -> None:
        """A node comes under a new name, and the one that came so before it goes."""
        document = msgspec.json.decode(self._nodes[0])
        if self._guest:
            document["metadata"].update(name=self._guest, uid=self._guest, resourceVersion=self.server.next_version())
            await self.server.tell(NODES, line("DELETED", document))
        version = self.server.next_version()
        self._guest = f"guest-{version}"
        document["metadata"].update(name=self._guest, uid=self._guest, resourceVersion=version)
        await self.server.tell(NODES, line("ADDED", document))

    async def tell_pod(self, kind: str, pod: dict[str, Any]) -> None:
        """A pod comes or goes."""
        await self.server.tell(snapshot.PODS.path, line(kind, stored(pod, self.server.next_version())))

    async def change_profile(self) -> None:
        """Another prior, and so another forecast for every node."""
        profile = deepcopy(self._profile)
        profile["spec"]["startup"]["sandboxSeconds"] = self._draw.randrange(2, 9)
        await self.server.tell(snapshot.PROFILES.path, line("MODIFIED", stored(profile, self.server.next_version())))

    async def _keep_renewing(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            for name in LEASES:
                event = line("MODIFIED", _lease(name, self.server.next_version()))
                await self.server.tell(snapshot.LEASES.path, event)


def _with_version(document: bytes, version: str) -> bytes:
    """In place, since encoding a node anew costs the writer more than reading it costs the reader."""
    begin = document.index(_VERSION) + len(_VERSION)
    return document[:begin] + version.encode() + document[begin + len(version) :]


def _without_first_image(document: bytes) -> bytes:
    begin = document.index(_IMAGES) + len(_IMAGES)
    return document[:begin] + document[document.index(b"},", begin) + 2 :]


def _with_last_image(document: bytes, image: bytes) -> bytes:
    end = document.index(b"}]", document.index(_IMAGES)) + 1
    return document[: document.rindex(b"{", 0, end)] + image + document[end:]


def _tenants_namespace() -> dict[str, Any]:
    labels = {names.PROFILE_LABEL: "kata-agents"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": TENANT_NAMESPACE, "labels": labels}}


def _lease(name: str, version: str) -> dict[str, Any]:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {
        "metadata": {"name": name, "namespace": names.NAMESPACE, "uid": name, "resourceVersion": version},
        "spec": {"holderIdentity": "bench", "renewTime": now},
    }
