"""Reflectors and events on a real kube-apiserver."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from cluster import wire
from cluster.access import load_access
from cluster.client import ApiClient
from cluster.clock import Clock
from cluster.events import EventRecorder, PodEvent
from cluster.reflector import Reflector, Resource
from cluster.snapshot import NAMESPACES, NODES, PODS, Snapshot
from lab.commandlines import ControlPlaneSettings
from lab.controlplane import ControlPlane
from lab.toolchain import Programs
from model.errors import Conflict, NotFound
from model.names import WARM_NODE_GATE
from tests.conftest import namespace_name

pytestmark = pytest.mark.controlplane

DEADLINE_SECONDS = 60.0
CONTAINERS = [{"name": "main", "image": "registry.example/agent:v1"}]


class Copies:
    """Reflectors of namespaces, nodes and pods, and a way to wait for what they show."""

    def __init__(self, client: ApiClient) -> None:
        self._news = asyncio.Event()
        self.namespaces = self._reflector(client, NAMESPACES)
        self.nodes = self._reflector(client, NODES)
        self.pods = self._reflector(client, PODS)

    @property
    def all(self) -> tuple[Reflector[Any], ...]:
        return self.namespaces, self.nodes, self.pods

    def _reflector(self, client: ApiClient, resource: Resource[Any]) -> Reflector[Any]:
        """Of whole objects, whatever the snapshot keeps of them."""
        return Reflector(client, replace(resource, outline=None), lambda _old, _new: self._news.set())

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not holds():
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def client_of(control_plane: ControlPlane) -> AsyncIterator[ApiClient]:
    async with ApiClient(await load_access(control_plane.admin_kubeconfig)) as client:
        yield client


@asynccontextmanager
async def copies_of(client: ApiClient) -> AsyncIterator[Copies]:
    copies = Copies(client)
    tasks = [asyncio.create_task(item.run()) for item in copies.all]
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            for item in copies.all:
                await item.synced.wait()
        yield copies
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def named(name: str, **members: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, **members}


async def versions_listed(client: ApiClient, path: str) -> dict[str, str]:
    """Resource versions by name, from a fresh list."""
    items = (await client.get(path))["items"]
    return {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in items}


def versions_kept(objects: Iterable[wire.Object]) -> dict[str, str]:
    return {item.metadata.key: item.metadata.resource_version for item in objects}


async def test_the_copies_follow_creation_change_and_deletion(control_plane: ControlPlane) -> None:
    name = namespace_name()
    async with client_of(control_plane) as client, copies_of(client) as copies:
        await client.create(NAMESPACES.path, named(name))
        await copies.until(lambda: name in copies.namespaces.objects)
        await client.patch(f"{NAMESPACES.path}/{name}", {"metadata": {"labels": {"stoker.dev/profile": "kata"}}})
        await copies.until(lambda: "stoker.dev/profile" in copies.namespaces.objects[name].metadata.labels)

        await client.create(NODES.path, named(name))
        await copies.until(lambda: name in copies.nodes.objects)
        reported = {"images": [{"names": ["agent:v1"], "sizeBytes": 7}], "runtimeHandlers": [{"name": "kata-qemu"}]}
        await client.patch(f"{NODES.path}/{name}/status", {"status": reported})
        await copies.until(lambda: bool(copies.nodes.objects[name].status.images))
        status = copies.nodes.objects[name].status
        assert (status.images[0].size_bytes, status.runtime_handlers[0].name) == (7, "kata-qemu")

        await client.delete(f"{NODES.path}/{name}")
        await copies.until(lambda: name not in copies.nodes.objects)


async def test_the_copies_follow_pods(control_plane: ControlPlane) -> None:
    name = namespace_name()
    pods, key = f"/api/v1/namespaces/{name}/pods", f"{name}/agent"
    async with client_of(control_plane) as client, copies_of(client) as copies:
        await client.create(NAMESPACES.path, named(name))
        spec = {"containers": CONTAINERS, "schedulerName": "nobody", "serviceAccountName": "default"}
        await control_plane.kubectl("wait", "--for=create", f"--namespace={name}", "serviceaccount/default")
        await client.create(pods, named("agent", spec=spec))
        await copies.until(lambda: key in copies.pods.objects)
        assert copies.pods.objects[key].spec.node_name == ""
        binding = {"metadata": {"name": "agent"}, "target": {"kind": "Node", "name": "anywhere"}}
        await client.create(f"{pods}/agent/binding", binding)
        await copies.until(lambda: copies.pods.objects[key].spec.node_name == "anywhere")
        await client.delete(f"{pods}/agent", {"gracePeriodSeconds": 0})
        await copies.until(lambda: key not in copies.pods.objects)


async def test_who_leaves_waiting_pods_unread_hears_of_each_when_it_is_bound(control_plane: ControlPlane) -> None:
    name = namespace_name()
    pods, bound = f"/api/v1/namespaces/{name}/pods", asyncio.Queue[str]()
    async with client_of(control_plane) as client, copies_of(client) as copies:
        snapshot = Snapshot(client, Clock(), with_fleet=True, with_waiting=False, with_leases=False)
        snapshot.fleet.on_binding(lambda pod: bound.put_nowait(f"{pod.metadata.key} on {pod.spec.node_name}"))
        await client.create(NAMESPACES.path, named(name))
        await control_plane.kubectl("wait", "--for=create", f"--namespace={name}", "serviceaccount/default")
        async with snapshot.following(), asyncio.timeout(DEADLINE_SECONDS):
            spec = {"containers": CONTAINERS, "schedulingGates": [{"name": WARM_NODE_GATE}]}
            for pod in ("waiting", "agent"):
                await client.create(pods, named(pod, spec=spec))
            await copies.until(lambda: f"{name}/agent" in copies.pods.objects)
            await client.patch(f"{pods}/agent", {"spec": {"schedulingGates": []}})
            binding = {"metadata": {"name": "agent"}, "target": {"kind": "Node", "name": "anywhere"}}
            await client.create(f"{pods}/agent/binding", binding)
            assert await bound.get() == f"{name}/agent on anywhere"
            assert snapshot.waiting.pods == {}
            await client.delete(f"{pods}/agent", {"gracePeriodSeconds": 0})
            await client.delete(f"{pods}/waiting", {"gracePeriodSeconds": 0})
            await copies.until(lambda: f"{name}/agent" not in copies.pods.objects)


async def test_a_page_at_a_time_gives_the_same_copy_as_a_stream(control_plane: ControlPlane) -> None:
    """The fallback's own queries, against the server that streams."""
    async with client_of(control_plane) as client, copies_of(client) as copies:
        paged: Reflector[wire.Namespace] = Reflector(client, NAMESPACES, lambda _old, _new: None)
        await paged._page_list()  # noqa: SLF001 - this server would never make it fall back
        assert set(paged.objects) == set(copies.namespaces.objects)


async def test_what_the_server_refuses_is_an_error_of_its_kind(control_plane: ControlPlane) -> None:
    name = namespace_name()
    async with client_of(control_plane) as client:
        with pytest.raises(NotFound, match=f'GET {NODES.path}/{name}: 404 nodes "{name}" not found'):
            await client.get(f"{NODES.path}/{name}")
        await client.create(NAMESPACES.path, named(name))
        with pytest.raises(Conflict, match="already exists"):
            await client.create(NAMESPACES.path, named(name))
        stale = {"metadata": {"resourceVersion": "1", "labels": {"a": "b"}}}
        with pytest.raises(Conflict, match="the object has been modified"):
            await client.patch(f"{NAMESPACES.path}/{name}", stale)


async def test_an_event_is_found_under_its_pod(control_plane: ControlPlane) -> None:
    uid = namespace_name("uid")
    resource = Resource("events", "/api/v1/events", wire.Event, {"fieldSelector": f"involvedObject.uid={uid}"})
    seen: asyncio.Queue[wire.Event | None] = asyncio.Queue()
    async with client_of(control_plane) as client:
        recorder = EventRecorder(client, "stoker-extender")
        recorder.emit(PodEvent("default", "agent-1", uid, "Forecast", "ready in about 43 s", (("a.b/c", "{}"),)))
        watching = asyncio.create_task(Reflector(client, resource, lambda _, new: seen.put_nowait(new)).run())
        writing = asyncio.create_task(recorder.run())
        event = await asyncio.wait_for(seen.get(), DEADLINE_SECONDS)
        for task in (watching, writing):
            task.cancel()
        await asyncio.gather(watching, writing, return_exceptions=True)
    assert event is not None
    assert (event.reason, event.message) == ("Forecast", "ready in about 43 s")
    assert (event.involved_object.name, event.metadata.annotations) == ("agent-1", {"a.b/c": "{}"})


async def test_an_api_server_that_is_killed_and_started_again_is_survived(programs: Programs) -> None:
    async with (
        ControlPlane.start(programs, ControlPlaneSettings(controller_manager=False)) as own,
        client_of(own) as client,
    ):
        for name in ("kept", "deleted"):
            await client.create(NODES.path, named(name))
        async with copies_of(client) as copies:
            await own.apiserver.kill()
            await own.apiserver.start()
            await client.delete(f"{NODES.path}/deleted")
            await client.create(NODES.path, named("new"))
            await client.create(NAMESPACES.path, named("new"))
            await copies.until(lambda: set(copies.nodes.objects) == {"kept", "new"})
            await copies.until(lambda: "new" in copies.namespaces.objects)
            assert versions_kept(copies.nodes.objects.values()) == await versions_listed(client, NODES.path)
            assert set(copies.namespaces.objects) == set(await versions_listed(client, NAMESPACES.path))
            assert [item.complaint() for item in copies.all] == [None, None, None]
