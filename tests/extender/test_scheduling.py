"""The dialogue with the scheduler: what it is answered, and what is told once its choice is seen."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from prometheus_client import REGISTRY

from cluster import wire
from extender.outlook import FAR_BEHIND
from extender.pulls import Groups
from extender.scheduling import ASKED_SECONDS, SLICE
from model.names import FORECAST_ANNOTATION
from model.nodes import NodeFacts
from model.pods import needs
from tests.builders import priors
from tests.cluster.objects import image
from tests.extender.oracle import Oracle
from tests.extender.world import AGENT_IMAGE, KATA, World, asked, tenant_pod

RUNC = ["", "runc"]
ABSENT = "the runtime handler is absent and nothing says that it is coming"


def answers(verb: str, basis: str) -> float:
    return REGISTRY.get_sample_value("stoker_extender_answers_total", {"verb": verb, "basis": basis}) or 0.0


def test_only_nodes_that_can_never_run_the_pod_are_refused_with_constant_reasons() -> None:
    world = World()
    world.add("warm")
    world.add("runc", handlers=RUNC)
    world.add("also-runc", handlers=RUNC, images=[])
    world.add("installing", handlers=RUNC, metadata={"labels": {"katacontainers.io/kata-runtime": "false"}})
    world.add("silent", handlers=None)
    world.add("booting", handlers=RUNC, ready="False")
    names = ["warm", "runc", "also-runc", "installing", "silent", "booting", "nobody-knows"]
    assert world.refused(tenant_pod(), *names) == {"runc": ABSENT, "also-runc": ABSENT}


@pytest.mark.parametrize("last", ["a-warm-one-with-a-longer-name", "a-bare-one-with-a-longer-name"])
def test_names_as_long_as_may_be_pass_and_are_refused(last: str) -> None:
    world = World()
    world.add("w")
    world.add("runc", handlers=RUNC)
    world.add(last, handlers=RUNC if "bare" in last else KATA)
    assert world.refused(tenant_pod(), last, "runc", "w") == dict.fromkeys(
        [name for name in (last, "runc") if "warm" not in name], ABSENT
    )


def test_where_every_node_is_refused_an_empty_list_passes() -> None:
    world = World()
    for name in ("n1", "n2"):
        world.add(name, handlers=RUNC)
    assert world.refused(tenant_pod(), "n2", "n1") == {"n1": ABSENT, "n2": ABSENT}


def test_a_pod_of_the_default_runtime_is_refused_nowhere() -> None:
    world = World()
    world.add("runc", handlers=RUNC)
    plain = tenant_pod()
    plain.spec.runtime_class_name = None
    assert world.refused(plain, "runc") == {}


def test_the_warm_node_scores_10_and_the_others_what_their_seconds_cost() -> None:
    world = World()
    world.add("warm")
    world.add("arm", nodeInfo={"architecture": "arm64"})
    world.add("imageless", images=[image("other:v1")])
    world.add("runc", handlers=RUNC)
    # 17 s cost four doublings of 2 s, 40.3 s five.
    names = ["runc", "imageless", "nobody-knows", "arm", "warm"]
    assert world.scores(tenant_pod(), *names) == [0, 5, 5, 6, 10]


def test_a_list_that_is_asked_about_again_follows_nodes_that_come_and_go() -> None:
    world, names = World(), asked("warm", "a-node-with-a-longer-name")

    def scores() -> list[int]:
        return [item["Score"] for item in json.loads(world.scheduling.prioritize(tenant_pod(), names))]

    world.add("warm")
    assert scores() == [10, 5]
    world.add("a-node-with-a-longer-name", handlers=RUNC)
    assert scores() == [10, 0]
    world.remove("warm")
    assert scores() == [5, 0]
    world.add("warm")
    assert scores() == [10, 0]


def test_a_burst_is_spread_before_the_watch_shows_any_binding() -> None:
    """Two hundred pods, each 0.1 s of contention: the first node is left once it is 2 s behind the other."""
    world = World()
    world.add("first")
    world.add("second", nodeInfo={"architecture": "arm64"})
    chosen = []
    for number in range(200):
        scores = world.scores(tenant_pod(f"agent-{number}"), "first", "second")
        chosen.append(scores[0] > scores[1])
    assert chosen[0]
    assert not all(chosen)


def told_contention(world: World) -> float:
    """The contention in the forecast that was told last, at a binding."""
    return json.loads(world.told[-1].annotations[0][1])["terms"]["contention"]  # type: ignore[no-any-return]


def test_a_pod_is_no_contention_for_itself_when_it_is_scored_again() -> None:
    world = World()
    world.put_profile(runtimeClassName="kata-qemu", startup={"contentionMillisecondsPerStart": 10_000})
    world.add("warm")
    world.scores(tenant_pod(), "warm")
    world.scores(tenant_pod(), "warm")
    world.bind(tenant_pod(), "warm")
    assert told_contention(world) == 0.0


def test_an_expectation_is_forgotten_at_the_binding_and_the_pod_counts_as_starting() -> None:
    world = World()
    world.add("warm")
    world.add("other")
    world.scores(tenant_pod("first"), "warm", "other")
    world.bind(tenant_pod("first"), "warm")
    world.scores(tenant_pod("second"), "warm", "other")
    world.bind(tenant_pod("second"), "warm")
    assert told_contention(world) == 0.1
    world.scores(tenant_pod("third"), "warm", "other")
    world.bind(tenant_pod("third"), "other")
    assert told_contention(world) == 0.0


def test_an_expectation_expires_and_is_counted() -> None:
    def late() -> float:
        return REGISTRY.get_sample_value("stoker_expected_starts_total", {"outcome": "not seen in time"}) or 0.0

    before = late()
    world = World()
    world.add("warm")
    world.scores(tenant_pod("first"), "warm")
    world.wall += 2.0
    world.scores(tenant_pod("second"), "warm")
    world.bind(tenant_pod("second"), "warm")
    assert (told_contention(world), late() - before) == (0.0, 1)


def test_what_is_expected_on_a_node_goes_with_it() -> None:
    world = World()
    world.add("warm")
    world.scores(tenant_pod("first"), "warm")
    world.remove("warm")
    world.add("new")  # in the row of the node that is gone
    world.scores(tenant_pod("second"), "new")
    world.bind(tenant_pod("second"), "new")
    assert told_contention(world) == 0.0


def test_the_event_at_the_binding_tells_the_forecast_that_decided() -> None:
    world = World()
    world.add("warm")
    decided = Oracle(world).forecast(needs("kata-qemu", (AGENT_IMAGE,)), "warm", priors())
    assert decided is not None
    world.scores(tenant_pod(), "warm")
    world.fleet.pod_changed(None, tenant_pod("another", on="warm"))  # the node is busier by the time of the binding
    world.bind(tenant_pod(), "warm")
    assert [(event.name, event.reason, event.message) for event in world.told] == [
        ("agent-1", "Forecast", decided.describe())
    ]
    assert world.told[0].annotations == ((FORECAST_ANNOTATION, decided.to_json()),)


def test_a_choice_that_was_not_among_the_best_is_forecast_without_the_pod_itself() -> None:
    world = World()
    world.add("warm")
    world.add("cold", images=[image("other:v1")])
    world.scores(tenant_pod(), "warm", "cold")
    world.bind(tenant_pod(), "cold")
    told = json.loads(world.told[0].annotations[0][1])
    assert (told["node"], told["terms"]["contention"], told["terms"]["pull"]) == ("cold", 0.0, 40.3)


@pytest.mark.parametrize(("chosen", "told"), [("warm", ["agent-1"]), ("cold", [])])
def test_what_cannot_be_relied_on_at_the_binding_is_not_told_and_what_decided_is(chosen: str, told: list[str]) -> None:
    world = World()
    world.add("warm")
    world.add("cold", images=[image("other:v1")])
    world.scores(tenant_pod(), "warm", "cold")
    world.complaint = "nodes: stale"
    world.bind(tenant_pod(), chosen)
    assert [event.name for event in world.told] == told


def test_a_pod_that_is_ready_when_its_binding_is_seen_costs_no_negative_contention() -> None:
    world = World()
    world.add("cold", images=[image("other:v1")])
    world.add("warm")
    world.scores(tenant_pod(), "cold", "warm")
    world.fleet.pod_changed(None, tenant_pod())
    ready = tenant_pod(on="cold", conditions=[{"type": "Ready", "status": "True"}])
    world.fleet.pod_changed(tenant_pod(), ready)
    assert json.loads(world.told[0].annotations[0][1])["terms"]["contention"] == 0.0


def test_each_choice_is_told_once_and_only_where_we_were_asked() -> None:
    world = World()
    world.add("warm")
    world.scores(tenant_pod(), "warm")
    world.bind(tenant_pod(), "warm")
    world.bind(tenant_pod(), "warm")
    world.bind(tenant_pod("never-scored"), "warm")
    assert [event.name for event in world.told] == ["agent-1"]


def test_a_binding_to_a_node_that_is_gone_tells_nothing() -> None:
    world = World()
    world.add("warm")
    world.scores(tenant_pod(), "warm")
    world.bind(tenant_pod(), "gone")
    assert world.told == []


NEUTRAL: list[tuple[dict[str, Any], wire.Pod, str]] = [
    ({"complaint": "pods: not synced yet"}, tenant_pod(), "neutral: snapshot not reliable"),
    ({"complaint": "pods: stale"}, tenant_pod(profile=None), "neutral: snapshot not reliable"),
    ({}, tenant_pod(profile=None), "neutral: not a tenant's pod"),
    ({}, tenant_pod(profile="no-such"), "neutral: unknown profile"),
]


@pytest.mark.parametrize(("state", "pod", "basis"), NEUTRAL)
def test_where_nothing_can_be_said_all_nodes_pass_and_score_5(state: dict[str, Any], pod: wire.Pod, basis: str) -> None:
    world = World(**state)
    world.add("warm")
    world.add("runc", handlers=RUNC)
    before = answers("filter", basis), answers("prioritize", basis)
    refused = world.refused(pod, "warm", "runc")
    scores = world.scores(pod, "warm", "runc")
    assert (refused, scores) == ({}, [5, 5])
    assert (answers("filter", basis), answers("prioritize", basis)) == (before[0] + 1, before[1] + 1)


def test_where_nothing_can_be_said_nothing_is_expected_and_nothing_told() -> None:
    world = World(complaint="nodes: stale")
    world.add("warm")
    world.scores(tenant_pod(), "warm")
    world.complaint = None
    world.bind(tenant_pod(), "warm")
    assert world.told == []


def test_the_agents_image_is_known_under_the_name_the_tests_use() -> None:
    world = World()
    world.add("warm")
    assert world.fleet.bytes_of(AGENT_IMAGE, "amd64") == 1_130_000_000


async def test_changes_are_taken_in_without_a_request_and_a_mistake_does_not_end_that(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    seen: list[str] = []
    plain = world.fleet.node

    def look(name: str) -> NodeFacts | None:
        seen.append(name)
        if len(seen) == 1:
            raise ZeroDivisionError("a mistake")
        return plain(name)

    monkeypatch.setattr(world.fleet, "node", look)
    keeping_up = asyncio.create_task(world.scheduling.keep_up())
    for name in ("warm", "another"):
        await asyncio.sleep(0)  # it waits for a change
        world.add(name)
        await asyncio.sleep(0)  # it takes the change in
        await asyncio.sleep(0)
    keeping_up.cancel()
    assert seen == ["warm", "warm", "another"]
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["a mistake"]


async def test_the_nodes_that_were_known_before_are_taken_in_without_a_request_or_a_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, looks = World(), list[str]()
    for number in range(3 * SLICE):
        world.add(f"n{number}")
    keeping_up = asyncio.create_task(world.scheduling.keep_up())
    async with asyncio.timeout(5.0):
        await world.scheduling.caught_up.wait()
    keeping_up.cancel()
    monkeypatch.setattr(world.fleet, "node", looks.append)
    world.scores(tenant_pod(), "n1")
    assert looks == []


async def test_every_kind_of_pods_is_taken_along_before_the_scores_are_said_to_be_ready() -> None:
    world = World()
    kinds = [tenant_pod(f"agent-{number}") for number in range(3)]
    for number, kind in enumerate(kinds):
        kind.spec.containers[0].image = f"registry.example/kind-{number}:v1"
    world.add("n1")
    for kind in kinds:
        world.scores(kind, "n1")
    for number in range(FAR_BEHIND + 1):
        world.add("n1", images=[image(f"other:v{number}")])
        world.scores(tenant_pod("busy"), "n1")
    keeping_up = asyncio.create_task(world.scheduling.keep_up())
    async with asyncio.timeout(5.0):
        await world.scheduling.caught_up.wait()
    keeping_up.cancel()
    before = Groups.catch_up
    rows: list[int] = []

    def counted(groups: Groups) -> None:
        evaluated = groups.evaluated
        before(groups)
        rows.append(groups.evaluated - evaluated)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Groups, "catch_up", counted)
        for kind in kinds:
            world.scores(kind, "n1")
    assert rows == [0, 0, 0]


def test_a_scheduler_is_at_work_for_a_moment_after_each_question() -> None:
    world = World()
    world.add("warm")
    assert not world.scheduling.is_asked
    world.scores(tenant_pod(), "warm")
    assert world.scheduling.is_asked
    world.wall += ASKED_SECONDS
    assert not world.scheduling.is_asked
    world.refused(tenant_pod(), "warm")
    assert world.scheduling.is_asked
