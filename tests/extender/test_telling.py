"""What was chosen is told when the scheduler pauses: in order, all of it, and as it was when it was chosen."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from prometheus_client import REGISTRY

from cluster import wire
from cluster.events import PodEvent
from extender.telling import CHOICES_WAITING, LONGEST_WAIT_SECONDS, Choice, KnownSizes, Telling
from model.nodes import NodeFacts
from model.pods import needs
from tests.builders import priors
from tests.cluster.objects import image
from tests.extender.world import AGENT_IMAGE, World, tenant_pod


def choice(name: str = "agent-1") -> Choice:
    pod = wire.Metadata(name, "tenant-a", f"uid-{name}")
    wanted = needs("kata-qemu", (AGENT_IMAGE,))
    return Choice(pod, wanted, priors(), NodeFacts("warm"), 0.0, KnownSizes({AGENT_IMAGE: 1_130_000_000}), 0.0)


class Desk:
    """A telling whose clock stands still while nobody sleeps, beside a scheduler that is busy until a given second."""

    def __init__(self, busy_until: float = 0.0) -> None:
        self.events: list[PodEvent] = []
        self.seconds = 0.0
        self.busy_until = busy_until
        self.refused = ""
        self._news = asyncio.Event()
        self.telling = Telling(self._emit, lambda: self.seconds < self.busy_until, wall=self._wall, sleep=self._sleep)

    @property
    def told(self) -> list[str]:
        return [event.name for event in self.events]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.telling.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def has_told(self, count: int) -> None:
        async with asyncio.timeout(20.0):
            while len(self.events) < count:
                self._news.clear()
                await self._news.wait()

    def _emit(self, event: PodEvent) -> None:
        if event.name == self.refused:
            raise ZeroDivisionError("a mistake")
        self.events.append(event)
        self._news.set()

    def _wall(self) -> float:
        return self.seconds

    async def _sleep(self, seconds: float) -> None:
        self.seconds += seconds
        await asyncio.sleep(0)


def observed() -> float:
    return REGISTRY.get_sample_value("stoker_forecast_seconds_count", {"term": "total"}) or 0.0


async def test_choices_are_told_in_their_order_once_the_scheduler_pauses() -> None:
    desk = Desk(busy_until=3.0)
    for number in range(5):
        desk.telling.put_down(choice(f"agent-{number}"))
    async with desk.running():
        await desk.has_told(5)
    assert desk.told == [f"agent-{number}" for number in range(5)]
    assert desk.seconds == pytest.approx(3.0, abs=0.2)


async def test_a_scheduler_that_never_pauses_delays_no_choice_for_longer_than_is_said() -> None:
    desk = Desk(busy_until=float("inf"))
    desk.telling.put_down(choice())
    async with desk.running():
        await desk.has_told(1)
    assert desk.seconds == pytest.approx(LONGEST_WAIT_SECONDS, abs=0.2)


async def test_what_comes_later_is_told_too() -> None:
    desk = Desk()
    async with desk.running():
        for number in range(3):
            desk.telling.put_down(choice(f"agent-{number}"))
            await desk.has_told(number + 1)
    assert len(desk.told) == 3


async def test_where_too_many_wait_the_oldest_is_told_at_once() -> None:
    desk, before = Desk(busy_until=float("inf")), observed()
    for number in range(CHOICES_WAITING + 2):
        desk.telling.put_down(choice(f"agent-{number}"))
    assert (desk.told, observed() - before) == (["agent-0", "agent-1"], 2)


async def test_an_end_leaves_nothing_untold() -> None:
    desk, before = Desk(busy_until=float("inf")), observed()
    async with desk.running():
        for number in range(3):
            desk.telling.put_down(choice(f"agent-{number}"))
        await asyncio.sleep(0)
    assert (desk.told, observed() - before) == (["agent-0", "agent-1", "agent-2"], 3)


async def test_one_that_cannot_be_told_is_logged_and_the_next_is_told(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    desk.refused = "agent-0"
    for number in range(2):
        desk.telling.put_down(choice(f"agent-{number}"))
    async with desk.running():
        await desk.has_told(1)
    assert desk.told == ["agent-1"]
    assert "a choice could not be told" in caplog.text


def test_a_choice_keeps_of_its_pod_only_which_one_it_is() -> None:
    world = World()
    world.add("warm")
    world.scores(tenant_pod(), "warm")
    bound = tenant_pod(on="warm")
    bound.metadata.annotations["a-tenants"] = "x" * 1_000
    world.fleet.pod_changed(tenant_pod(), bound)
    [made] = world.choices
    assert made.pod == wire.Metadata("agent-1", "tenant-a", bound.metadata.uid)


def test_sizes_that_are_reported_after_the_binding_do_not_change_what_is_told_of_it() -> None:
    world = World()
    world.add("cold", images=[image("other:v1")])
    world.add("teller", images=[image(AGENT_IMAGE, 320_000_000)], handlers=["runc"])
    world.scores(tenant_pod(), "cold")
    world.bind(tenant_pod(), "cold")
    world.remove("teller")
    [made] = world.choices
    assert json.loads(made.forecast().to_json())["terms"]["pull"] == 15.0
