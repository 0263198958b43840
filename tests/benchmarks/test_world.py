"""The scripted cluster, as Stoker's own reflectors see it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest

from benchmarks.crowd import new_image
from benchmarks.documents import running_pod
from benchmarks.world import Changes, World
from cluster.access import Access
from cluster.client import ApiClient
from cluster.clock import Clock
from cluster.snapshot import Snapshot
from lab.constants import load_constants
from model import names

NODES = 30
DEADLINE_SECONDS = 20.0


async def nobody() -> str | None:
    return None


@asynccontextmanager
async def followed() -> AsyncIterator[tuple[World, Snapshot]]:
    """A world, and a snapshot that has read it."""
    async with (
        World.start(load_constants(None), NODES) as world,
        ApiClient(Access(world.server.url, ssl.create_default_context(), nobody)) as client,
    ):
        snapshot = Snapshot(client, Clock(1.0), with_fleet=True)
        async with snapshot.following(), asyncio.timeout(DEADLINE_SECONDS):
            await snapshot.synced()
            yield world, snapshot


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not holds():  # noqa: ASYNC110 - what is waited for comes over a socket
            await asyncio.sleep(0.01)


def images_of(snapshot: Snapshot, name: str) -> int:
    node = snapshot.fleet.node(name)
    assert node is not None
    return len(node.images)


def has_image(snapshot: Snapshot, node_name: str, image: str) -> bool:
    node = snapshot.fleet.node(node_name)
    assert node is not None
    return image in node.images


async def test_the_nodes_and_the_profile_are_read_as_from_an_api_server() -> None:
    async with followed() as (world, snapshot):
        assert all(snapshot.fleet.node(name) is not None for name in world.names)
        assert snapshot.tenancy.profile("kata-agents") is not None
        assert snapshot.complaint() is None


async def test_a_changed_node_loses_its_largest_image_and_gets_it_back() -> None:
    async with followed() as (world, snapshot):
        before = images_of(snapshot, world.names[0])
        await world.change_node(0)
        await until(lambda: images_of(snapshot, world.names[0]) < before)
        await world.change_node(0)
        await until(lambda: images_of(snapshot, world.names[0]) == before)


async def test_a_replaced_image_is_there_in_place_of_one_that_was() -> None:
    async with followed() as (world, snapshot):
        before = images_of(snapshot, world.names[0])
        await world.replace_image(0, msgspec.json.encode(new_image(7)))
        (name,) = new_image(7)["names"][1:]
        await until(lambda: has_image(snapshot, world.names[0], name))
        assert images_of(snapshot, world.names[0]) == before


async def test_an_image_replaced_twice_is_gone() -> None:
    async with followed() as (world, snapshot):
        first, second = new_image(1), new_image(2)
        for image in (first, second):
            await world.replace_image(0, msgspec.json.encode(image))
        await until(lambda: has_image(snapshot, world.names[0], second["names"][1]))
        assert not has_image(snapshot, world.names[0], first["names"][1])


async def test_an_exchanged_node_comes_under_a_new_name_and_the_one_before_goes() -> None:
    async with followed() as (world, snapshot):
        await world.exchange_node()
        await until(lambda: len(snapshot.fleet.names()) == NODES + 1)
        (first,) = set(snapshot.fleet.names()) - set(world.names)
        await world.exchange_node()
        await until(lambda: first not in snapshot.fleet.names() and len(snapshot.fleet.names()) == NODES + 1)


async def test_a_pod_comes_and_goes() -> None:
    async with followed() as (world, snapshot):
        pod = running_pod(1, ("agent:v1",), world.names[0])
        await world.tell_pod("ADDED", pod)
        await until(lambda: len(snapshot.fleet.pods_on(world.names[0])) == 1)
        await world.tell_pod("DELETED", pod)
        await until(lambda: not snapshot.fleet.pods_on(world.names[0]))


async def test_a_changed_profile_arrives() -> None:
    async with followed() as (world, snapshot):
        before = snapshot.tenancy.profile("kata-agents")
        await world.change_profile()
        await until(lambda: snapshot.tenancy.profile("kata-agents") is not before)


async def test_the_leases_are_seen_to_be_renewed() -> None:
    async with followed() as (_, snapshot):
        await until(lambda: snapshot.tenancy.is_attended(names.CONTROLLERS_LEASE))


async def test_nodes_that_change_at_a_rate_are_counted_over_all_blocks() -> None:
    async with followed() as (world, _):
        async with world.changing(1_000):
            await until(lambda: world.changes.told >= 100)
        first = world.changes.due
        assert first > 0
        told = world.changes.told
        async with world.changing(1_000):
            await until(lambda: world.changes.told >= told + 100)
        assert world.changes.due > first


async def test_changes_that_are_held_up_were_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async with followed() as (world, _):
        held_up = asyncio.Event()

        async def change(_: int) -> None:
            held_up.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(world, "change_node", change)
        async with world.changing(1_000):
            await held_up.wait()
            await asyncio.sleep(0.1)
        assert not world.changes.were_told


async def test_what_ends_the_changes_fails_whoever_wanted_them(monkeypatch: pytest.MonkeyPatch) -> None:
    async with followed() as (world, _):
        failed = asyncio.Event()

        async def change(_: int) -> None:
            failed.set()
            raise ValueError("substring not found")

        monkeypatch.setattr(world, "change_node", change)
        with pytest.raises(ValueError, match="substring not found"):
            async with world.changing(1_000):
                await failed.wait()


@pytest.mark.parametrize(("told", "enough"), [(95, True), (94, False), (103, True)])
def test_of_a_hundred_changes_that_were_due_95_are_enough(told: int, enough: bool) -> None:
    assert Changes(due=100, told=told).were_told is enough
