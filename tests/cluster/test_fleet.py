"""The fleet's facts depend on what is, never on the order in which it was told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster import wire
from cluster.bound import outline
from cluster.clock import Clock
from cluster.fleet import Fleet
from cluster.tenancy import Tenancy
from model.nodes import NodeFacts
from tests.cluster.objects import CREATED, decoded, event, image, node, pod, status_of

AGENT, SIDECAR = "docker.io/library/agent:v1", "docker.io/library/sidecar:v2"
LATER = "2026-03-03T10:00:40Z"
MUCH_LATER = "2026-03-03T10:09:00Z"

TENANTS = decoded(wire.Namespace, {"metadata": {"name": "tenant-a", "labels": {"stoker.dev/profile": "kata-agents"}}})


def new_fleet(tenancy: Tenancy | None = None) -> Fleet:
    return Fleet(Clock(), tenancy or Tenancy(lambda: None))


def facts_of(fleet: Fleet, name: str = "n1") -> NodeFacts:
    facts = fleet.node(name)
    assert facts is not None
    return facts


@pytest.fixture
def fleet() -> Fleet:
    """With one node, n1, that reports no images."""
    result = new_fleet()
    result.node_changed(None, node())
    return result


def test_a_node_nobody_has_seen_is_none(fleet: Fleet) -> None:
    assert (fleet.node("n2"), fleet.pods_on("n2"), [item.name for item in fleet.nodes()]) == (None, [], ["n1"])


def test_facts_are_built_once_after_a_change(fleet: Fleet) -> None:
    first = fleet.node("n1")
    assert fleet.node("n1") is first
    fleet.pod_changed(None, pod(on="n1"))
    assert fleet.node("n1") is not first


def test_pods_that_are_known_before_their_node_count_when_it_comes() -> None:
    fleet = new_fleet()
    fleet.pod_changed(None, pod(on="n1"))
    assert fleet.node("n1") is None
    fleet.node_changed(None, node())
    assert facts_of(fleet).starting == 1.0


def test_events_that_are_known_before_their_node_count_when_it_comes() -> None:
    fleet = new_fleet()
    fleet.sandbox_failure_changed(None, event(host="n1", at=LATER))
    fleet.node_changed(None, node())
    assert facts_of(fleet).sandbox_failed == Clock().instant(LATER)


def test_the_latest_of_several_events_counts(fleet: Fleet) -> None:
    fleet.containerd_start_changed(None, event("late", about=("Node", "n1"), at=LATER))
    fleet.containerd_start_changed(None, event("early", about=("Node", "n1")))
    assert facts_of(fleet).containerd_restarted == Clock().instant(LATER)


def test_sandboxes_of_a_pod_have_been_failing_since_the_first_event_about_it(fleet: Fleet) -> None:
    fleet.sandbox_failure_changed(None, event("e1", host="n1", first=CREATED, at=CREATED))
    fleet.sandbox_failure_changed(None, event("e2", host="n1", first=LATER, at=MUCH_LATER))
    facts, clock = facts_of(fleet), Clock()
    assert (facts.sandbox_failing_since, facts.sandbox_failed) == (clock.instant(CREATED), clock.instant(MUCH_LATER))


def test_what_failed_of_another_pod_does_not_make_a_failure_older(fleet: Fleet) -> None:
    fleet.sandbox_failure_changed(None, event("e1", host="n1", at=CREATED, about=("Pod", "another")))
    fleet.sandbox_failure_changed(None, event("e2", host="n1", at=LATER))
    assert facts_of(fleet).sandbox_failing_since == Clock().instant(LATER)


def test_an_event_counts_as_long_as_it_exists(fleet: Fleet) -> None:
    failure = event(host="n1")
    fleet.sandbox_failure_changed(None, failure)
    fleet.sandbox_failure_changed(failure, None)
    assert facts_of(fleet).sandbox_failed is None


@pytest.mark.parametrize("odd", [event(host=""), event(host="n1", at=None), event(host="n1", at="never")])
def test_an_event_without_node_or_time_tells_nothing(fleet: Fleet, odd: wire.Event) -> None:
    fleet.sandbox_failure_changed(None, odd)
    assert facts_of(fleet).sandbox_failed is None


def test_events_of_a_former_node_of_the_same_name_are_not_the_new_ones(fleet: Fleet) -> None:
    fleet.sandbox_failure_changed(None, event(host="n1"))
    successor = node(metadata={"uid": "another", "creationTimestamp": LATER})
    fleet.node_changed(node(), successor)
    assert facts_of(fleet).sandbox_failed is None


def test_a_bound_pod_starts_and_waits_for_what_the_node_lacks(fleet: Fleet) -> None:
    fleet.node_changed(node(), node(images=[image("sidecar:v2")]))
    fleet.pod_changed(None, pod(on="n1", images=("agent:v1", "sidecar:v2")))
    facts = facts_of(fleet)
    assert (facts.starting, facts.pulling) == (1.0, frozenset({AGENT}))


def test_a_running_containers_image_is_there_whatever_the_node_reports(fleet: Fleet) -> None:
    fleet.pod_changed(None, pod(on="n1", containerStatuses=[status_of("c0")]))
    facts = facts_of(fleet)
    assert (set(facts.images), set(facts.pulling)) == ({AGENT}, set())


def test_what_changes_no_image_leaves_the_very_set_of_their_names(fleet: Fleet) -> None:
    fleet.node_changed(node(), node(images=[image("sidecar:v2")]))
    before = facts_of(fleet).images
    fleet.pod_changed(None, pod(on="n1", images=("agent:v1",)))
    waiting = facts_of(fleet)
    assert waiting.images is before
    running = pod(on="n1", images=("agent:v1",), containerStatuses=[status_of("c0")])
    fleet.pod_changed(pod(on="n1"), running)
    assert facts_of(fleet).images == {AGENT, SIDECAR}


FINISHED = pod(on="n1", phase="Succeeded", containerStatuses=[status_of("c0", "terminated")])


@pytest.mark.parametrize(
    ("images", "there"),
    [
        ([], True),
        ([image("sidecar:v2")], False),
        ([image(f"other:v{number}") for number in range(50)], True),
    ],
)
def test_a_finished_pods_image_counts_unless_the_node_lists_all_it_has(
    fleet: Fleet, images: list[dict[str, Any]], there: bool
) -> None:
    fleet.node_changed(node(), node(images=images))
    fleet.pod_changed(None, FINISHED)
    assert (AGENT in facts_of(fleet).images) is there


def test_a_pod_that_is_deleted_leaves_nothing(fleet: Fleet) -> None:
    before = fleet.node("n1")
    fleet.pod_changed(None, pod(on="n1"))
    fleet.pod_changed(pod(on="n1"), None)
    assert (fleet.node("n1"), fleet.pods_on("n1")) == (before, [])


def test_a_pod_of_the_same_name_on_another_node_moved(fleet: Fleet) -> None:
    fleet.node_changed(None, node("n2"))
    old = pod(on="n1")
    fleet.pod_changed(None, old)
    fleet.pod_changed(old, pod(on="n2", uid="successor"))
    assert (facts_of(fleet).starting, facts_of(fleet, "n2").starting) == (0.0, 1.0)


def test_a_pod_whose_change_could_not_be_read_is_gone_with_its_deletion(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = pod(on="n1")
    fleet.pod_changed(None, subject)
    monkeypatch.setattr("cluster.fleet.bound_pod", failing)
    with pytest.raises(RuntimeError):
        fleet.pod_changed(subject, pod(on="n1", labels={"app": "agent"}))
    assert [item.key for item in fleet.pods_on("n1")] == ["tenant-a/p1"]
    fleet.pod_changed(subject, None)
    assert fleet.pods_on("n1") == []


def failing(*_: object) -> None:
    raise RuntimeError("a mistake of ours")


@pytest.mark.parametrize("comes_first", ["the namespace", "the pod"])
def test_a_tenants_pod_is_no_installer_whatever_it_says(comes_first: str) -> None:
    tenancy = Tenancy(lambda: None)
    fleet = new_fleet(tenancy)
    fleet.node_changed(None, node())
    if comes_first == "the namespace":
        tenancy.namespace_changed(None, TENANTS)
    fleet.pod_changed(None, pod(on="n1", labels={"name": "kata-deploy"}))
    assert (facts_of(fleet).installer is None) == (comes_first == "the namespace")
    if comes_first == "the pod":
        tenancy.namespace_changed(None, TENANTS)
    assert facts_of(fleet).installer is None


def test_a_namespace_that_is_no_tenants_any_more_may_have_the_installer() -> None:
    tenancy = Tenancy(lambda: None)
    fleet = new_fleet(tenancy)
    fleet.node_changed(None, node())
    tenancy.namespace_changed(None, TENANTS)
    fleet.pod_changed(None, pod(on="n1", labels={"name": "kata-deploy"}))
    fleet.node("n1")
    tenancy.namespace_changed(TENANTS, None)
    assert facts_of(fleet).installer is not None


def test_the_newest_installer_is_the_one_that_counts(fleet: Fleet) -> None:
    labels = {"name": "kata-deploy"}
    newest = pod("new", on="n1", labels=labels)
    newest.metadata.creation_timestamp = LATER
    fleet.pod_changed(None, newest)
    fleet.pod_changed(None, pod("old", on="n1", labels=labels))
    installer = facts_of(fleet).installer
    assert installer is not None
    assert installer.created == Clock().instant(LATER)


def bindings(fleet: Fleet) -> list[str]:
    seen: list[str] = []
    fleet.on_binding(lambda item: seen.append(f"{item.metadata.name} on {item.spec.node_name}"))
    return seen


def test_observers_see_a_binding_once(fleet: Fleet) -> None:
    seen = bindings(fleet)
    fleet.pod_changed(None, pod())
    fleet.pod_changed(pod(), pod(on="n1"))
    fleet.pod_changed(pod(on="n1"), pod(on="n1", phase="Running"))
    assert seen == ["p1 on n1"]


def test_a_pod_that_is_bound_when_it_is_first_heard_of_is_a_binding_too(fleet: Fleet) -> None:
    seen = bindings(fleet)
    fleet.pod_changed(None, pod(on="n1"))
    assert seen == ["p1 on n1"]


def test_an_observer_finds_the_pod_on_its_node_already(fleet: Fleet) -> None:
    starting: list[float] = []
    fleet.on_binding(lambda _: starting.append(facts_of(fleet).starting))
    fleet.pod_changed(pod(), pod(on="n1"))
    assert starting == [1.0]


def test_the_size_of_an_image_is_the_largest_that_nodes_of_the_architecture_report(fleet: Fleet) -> None:
    fleet.node_changed(None, node("n2", images=[image("agent:v1", 500)]))
    fleet.node_changed(None, node("n3", images=[image("agent:v1", 700)]))
    fleet.node_changed(None, node("n4", images=[image("agent:v1", 900)], nodeInfo={"architecture": "arm64"}))
    assert (fleet.bytes_of(AGENT, "amd64"), fleet.bytes_of(AGENT, "arm64"), fleet.bytes_of(SIDECAR, "amd64")) == (
        700,
        900,
        None,
    )


def test_the_size_follows_the_reports(fleet: Fleet) -> None:
    large, small = node(images=[image("agent:v1", 900)]), node(images=[image("agent:v1", 400)])
    sizes = []
    for old, new in ((node(), large), (large, small), (small, None)):
        fleet.node_changed(old, new)
        sizes.append(fleet.bytes_of(AGENT, "amd64"))
    assert sizes == [900, 400, None]


# Random histories. A step gives one object of a small world a new state, or removes it.

KEYS = st.sampled_from(["n1", "n2"])
REPORTS = st.lists(
    st.builds(image, st.sampled_from(["agent:v1", "sidecar:v2"]), st.sampled_from([-1, 0, 7, 9, 10**30])), max_size=2
)
NODE_STATES = st.builds(
    lambda images, arch, uid: {"images": images, "nodeInfo": {"architecture": arch}, "metadata": {"uid": uid}},
    REPORTS,
    st.sampled_from(["amd64", "arm64"]),
    st.sampled_from(["first", "second"]),
)
POD_STATES = st.fixed_dictionaries(
    {
        "on": st.sampled_from(["", "n1", "n2"]),
        "uid": st.sampled_from(["first", "second"]),
        "phase": st.sampled_from(["Pending", "Running", "Succeeded"]),
        "labels": st.sampled_from([{}, {"name": "kata-deploy"}]),
        "containerStatuses": st.sampled_from([[], [status_of("c0")], [status_of("c0", "terminated", restarts=1)]]),
    }
)
EVENT_STATES = st.fixed_dictionaries(
    {
        "host": st.sampled_from(["", "n1", "n2"]),
        "at": st.sampled_from([LATER, "2026-03-03T10:00:09Z", "2020-01-01T00:00:00Z"]),
    }
)
STEPS = st.one_of(
    st.tuples(st.just("node"), KEYS, st.none() | NODE_STATES),
    st.tuples(st.just("pod"), st.sampled_from(["p1", "p2", "p3"]), st.none() | POD_STATES),
    st.tuples(st.just("failure"), st.sampled_from(["e1", "e2"]), st.none() | EVENT_STATES),
    st.tuples(st.just("start"), st.sampled_from(["e1", "e2"]), st.none() | EVENT_STATES),
)
BUILD: dict[str, Callable[..., Any]] = {"node": node, "pod": pod, "failure": event, "start": event}
NAMES = ("n1", "n2")


@dataclass
class World:
    """A fleet that is told each change, and the objects as they are now."""

    fleet: Fleet = field(default_factory=new_fleet)
    objects: dict[tuple[str, str], Any] = field(default_factory=dict)

    def step(self, kind: str, name: str, state: dict[str, Any] | None) -> None:
        old = self.objects.pop((kind, name), None)
        new = None if state is None else BUILD[kind](name, **state)
        if old is None and new is None:
            return
        if new is not None:
            self.objects[kind, name] = new
        self.tell(self.fleet, kind, old, new)

    @staticmethod
    def tell(fleet: Fleet, kind: str, old: Any, new: Any) -> None:
        sinks: dict[str, Callable[[Any, Any], None]] = {
            "node": fleet.node_changed,
            "pod": fleet.pod_changed,
            "failure": fleet.sandbox_failure_changed,
            "start": fleet.containerd_start_changed,
        }
        sinks[kind](old, new)


def picture(fleet: Fleet) -> tuple[Any, ...]:
    """All that a reader can see of the world of these tests."""
    sizes = {
        (reference, architecture): fleet.bytes_of(reference, architecture)
        for reference in (AGENT, SIDECAR)
        for architecture in ("amd64", "arm64")
    }
    pods = {name: sorted(item.key for item in fleet.pods_on(name)) for name in NAMES}
    return {name: fleet.node(name) for name in NAMES}, pods, sizes


@given(st.lists(STEPS, max_size=25), st.booleans())
@settings(max_examples=300, deadline=None)
def test_after_any_history_the_facts_are_those_of_a_fleet_built_from_what_is_left(
    steps: list[Any], reading: bool
) -> None:
    world = World()
    for step in steps:
        world.step(*step)
        if reading:
            picture(world.fleet)
    fresh = new_fleet()
    for (kind, _), item in world.objects.items():
        World.tell(fresh, kind, None, item)
    assert picture(world.fleet) == picture(fresh)


@given(st.lists(STEPS, max_size=25))
@settings(deadline=None)
def test_when_everything_is_gone_the_fleet_keeps_nothing(steps: list[Any]) -> None:
    world = World()
    for step in steps:
        world.step(*step)
    for kind, name in list(world.objects):
        world.step(kind, name, None)
    kept = {name: value for name, value in vars(world.fleet).items() if isinstance(value, dict) and value}
    assert (kept, picture(world.fleet)) == ({}, picture(new_fleet()))


def test_of_an_old_pod_nothing_but_its_name_is_needed(fleet: Fleet) -> None:
    fleet.node_changed(None, node("n2"))
    fleet.pod_changed(None, pod(on="n1"))
    fleet.pod_changed(outline(pod(on="n1")), pod(on="n2", uid="successor"))
    assert (facts_of(fleet).starting, facts_of(fleet, "n2").starting) == (0.0, 1.0)
    fleet.pod_changed(outline(pod(on="n2")), None)
    assert fleet.pods_on("n2") == []
