"""Placement against kube-apiserver and kube-scheduler: who ends up where, and what is left on a pod that does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import msgspec
import pytest

from cluster import wire
from cluster.access import load_access
from cluster.client import ApiClient
from cluster.waiting import is_unschedulable
from lab.controlplane import ControlPlane
from lab.processes import Process
from model import names
from placement.gates import GateKeeper
from tests.cli.command import until
from tests.placement.desk import counted
from tests.placement.yard import Yard, forecast_node

pytestmark = pytest.mark.controlplane


def forecast_for(node: str) -> str:
    return msgspec.json.encode({"node": node, "seconds": 43}).decode()


async def nominate_half(yard: Yard, node: str, name: str = "agent") -> None:
    """The first of the two writes, as a leader leaves it that dies then."""
    metadata = {"annotations": {names.FORECAST_ANNOTATION: forecast_for(node)}}
    body = {"metadata": metadata, "status": {"nominatedNodeName": node}}
    await yard.client.patch(f"{yard.pods}/{name}/status", body)


async def test_a_gated_pod_is_nominated_in_two_writes_and_bound_exactly_there(yard: Yard) -> None:
    warm = await yard.node("warm")
    await yard.node("settling", settling=True)
    before = counted("stoker_placements_total", outcome="nominated")
    async with yard.controller():
        await yard.pod()
        assert await yard.bound() == warm
        event = await yard.event("Nominated")
    created, nominated, opened, *_ = yard.states()
    assert (created.status.nominated_node_name, len(created.spec.scheduling_gates)) == ("", 1)
    assert (nominated.status.nominated_node_name, len(nominated.spec.scheduling_gates)) == (warm, 1)
    assert (opened.status.nominated_node_name, opened.spec.scheduling_gates) == (warm, [])
    assert forecast_node(await yard.read()) == warm
    assert event.message.startswith("ready in about ")
    assert counted("stoker_placements_total", outcome="nominated") == before + 1


async def test_a_pod_behind_anothers_gate_as_well_stays_gated_and_reserves_nothing(yard: Yard) -> None:
    await yard.node("warm")
    async with yard.controller():
        await yard.pod(gates=("example.com/other", names.WARM_NODE_GATE))
        pod = await yard.opened()
        await yard.event("GateOpened")
    assert [gate.name for gate in pod.spec.scheduling_gates] == ["example.com/other"]
    assert {state.status.nominated_node_name for state in yard.states()} == {""}


async def test_a_pod_edited_between_decision_and_write_is_placed_all_the_same(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    warm = await yard.node("warm")
    edited: list[object] = []
    nominate = GateKeeper.nominate

    async def after_an_edit(self: GateKeeper, pod: object, node: str, forecast: str) -> str:
        if not edited:
            edited.append(await yard.client.patch(f"{yard.pods}/agent", {"metadata": {"labels": {"edited": "yes"}}}))
        return await nominate(self, pod, node, forecast)  # type: ignore[arg-type] # a pod

    monkeypatch.setattr(GateKeeper, "nominate", after_an_edit)
    before = counted("stoker_placement_write_errors_total", kind="conflict")
    async with yard.controller():
        await yard.pod()
        assert await yard.bound() == warm
    assert (await yard.read()).metadata.labels == {"edited": "yes"}
    assert counted("stoker_placement_write_errors_total", kind="conflict") == before + 1


async def test_a_pod_is_held_for_a_settling_node_and_nominated_when_it_is_warm(yard: Yard) -> None:
    await yard.profile(settleSeconds=5)
    node = await yard.node("settling", settling=True)
    async with yard.controller():
        await yard.pod()
        event = await yard.event("Held")
        held = await yard.seen("agent", lambda pod: names.FORECAST_ANNOTATION in pod.metadata.annotations)
        assert (forecast_node(held), held.status.nominated_node_name) == (node, "")
        assert event.message.startswith(f"waits for {node} (settling)")
        assert counted("stoker_gated_pods", reason="settling") == 1
        assert await yard.bound() == node
    first = next(pod for pod in yard.states() if pod.status.nominated_node_name)
    assert len(first.spec.scheduling_gates) == 1


async def test_a_deadline_counts_from_creation_also_for_a_controller_that_starts_later(yard: Yard) -> None:
    await yard.profile(maxHoldSeconds=2)
    await yard.node("warm")
    await yard.pod()
    await until(lambda: aged(yard, "agent", 3))
    async with yard.controller():
        pod = await yard.opened()
        event = await yard.event("GateOpened")
    assert pod.status.nominated_node_name == ""
    assert "its deadline has come" in event.message


async def aged(yard: Yard, name: str, seconds: float) -> bool | None:
    """Once the pod is so old by the API server's own clock."""
    created = (await yard.read(name)).metadata.creation_timestamp
    assert created is not None
    return (datetime.now(UTC) - datetime.fromisoformat(created)).total_seconds() >= seconds or None


async def test_a_pod_is_not_nominated_to_where_somebody_repels_it(yard: Yard) -> None:
    taken = await yard.node("taken")
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {}}
    repels = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    await yard.pod("hermit", gates=(), affinity=repels)
    assert await yard.bound("hermit") == taken
    async with yard.controller():
        await yard.pod()
        await yard.unschedulable()
        free = await yard.node("free")
        await yard.pod("next")
        assert await yard.bound("next") == forecast_node(await yard.read("next")) == free
    assert {state.status.nominated_node_name for state in yard.states()} == {""}


async def test_without_a_warm_node_a_pod_is_let_through_and_left_to_autoscalers(yard: Yard) -> None:
    async with yard.controller():
        await yard.pod()
        pod = await yard.unschedulable()
        assert (await yard.event("GateOpened")).message.startswith("left to the scheduler: ")
    assert pod.status.nominated_node_name == ""
    assert {state.status.nominated_node_name for state in yard.states()} == {""}


@pytest.mark.parametrize("policy", ["PreemptLowerPriority", "Never"])
@pytest.mark.parametrize("fate", ["gone", "cordoned"])
async def test_a_nomination_whose_node_is_lost_before_the_binding_is_cleared(
    yard: Yard, scheduler: Process, fate: str, policy: str
) -> None:
    warm = await yard.node("warm")
    before = counted("stoker_nomination_lost_total", reason=f"node-{fate}")
    await scheduler.stop()
    try:
        async with yard.controller():
            await yard.pod(priorityClassName=await yard.priority(10, policy))
            assert (await yard.opened()).status.nominated_node_name == warm
            await (yard.remove_node(warm) if fate == "gone" else yard.cordon(warm))
            await yard.event("NominationCleared")
            assert (await yard.read()).status.nominated_node_name == ""
            await scheduler.start()
            assert (await yard.unschedulable()).status.nominated_node_name == ""
    finally:
        if not scheduler.running:
            await scheduler.start()
    assert counted("stoker_nomination_lost_total", reason=f"node-{fate}") == before + 1


@asynccontextmanager
async def outrun(yard: Yard, scheduler: Process, policy: str) -> AsyncIterator[None]:
    """With a controller, and a pod that it has nominated to a node which a pod of higher priority has taken since; a
    nomination does not keep that out.
    """
    warm = await yard.node("warm", cpu="1")
    await scheduler.stop()
    try:
        async with yard.controller():
            await yard.pod(priorityClassName=await yard.priority(10, policy))
            assert (await yard.opened()).status.nominated_node_name == warm
            await yard.pod("quicker", gates=(), priorityClassName=await yard.priority(1_000))
            await scheduler.start()
            assert await yard.bound("quicker") == warm
            yield
    finally:
        if not scheduler.running:
            await scheduler.start()


@pytest.mark.parametrize("policy", ["PreemptLowerPriority", "Never"])
async def test_a_nomination_that_the_scheduler_finds_unschedulable_is_cleared(
    yard: Yard, scheduler: Process, policy: str
) -> None:
    async with outrun(yard, scheduler, policy):
        await yard.seen("agent", lambda pod: is_unschedulable(pod) and not pod.status.nominated_node_name)
        assert (await yard.read()).status.nominated_node_name == ""


async def test_the_forecast_goes_with_a_nomination_that_the_scheduler_itself_clears(
    yard: Yard, scheduler: Process
) -> None:
    async with outrun(yard, scheduler, "PreemptLowerPriority"):
        await yard.seen("agent", lambda pod: is_unschedulable(pod) and not forecast_on(pod))
        free = await yard.node("free")
        assert await yard.bound() == free
    assert not forecast_on(await yard.read())


def forecast_on(pod: wire.Pod) -> str:
    return pod.metadata.annotations.get(names.FORECAST_ANNOTATION, "")


async def test_a_nomination_outlives_its_pods_deadline_where_the_scheduler_is_slow(
    yard: Yard, scheduler: Process
) -> None:
    await yard.profile(maxHoldSeconds=3)
    warm = await yard.node("warm")
    await scheduler.stop()
    try:
        async with yard.controller():
            await yard.pod()
            assert (await yard.opened()).status.nominated_node_name == warm
            await until(lambda: aged(yard, "agent", 6))
            await scheduler.start()
            assert await yard.bound() == warm
    finally:
        if not scheduler.running:
            await scheduler.start()
    assert "" not in [pod.status.nominated_node_name for pod in yard.states() if not pod.spec.scheduling_gates][:-1]


async def test_a_nomination_by_preemption_is_left_alone(yard: Yard) -> None:
    warm = await yard.node("warm", cpu="1")
    async with yard.controller():
        await yard.pod("victim", gates=(), terminationGracePeriodSeconds=3_600)
        assert await yard.bound("victim") == warm
        await yard.pod(priorityClassName=await yard.priority(1_000))  # no room: let through, and so preempting
        pod = await yard.seen("agent", lambda pod: pod.status.nominated_node_name == warm)
        assert is_unschedulable(pod)
        await yard.client.delete(f"{yard.pods}/victim", {"gracePeriodSeconds": 0})
        assert await yard.bound() == warm
    nominated = [state.status.nominated_node_name for state in yard.states() if not state.spec.node_name]
    assert nominated[nominated.index(warm) :] == [warm] * (len(nominated) - nominated.index(warm))


async def test_a_new_leader_finishes_what_stands_half(yard: Yard) -> None:
    warm = await yard.node("warm")
    await yard.pod()
    await nominate_half(yard, warm)
    async with yard.controller():
        assert await yard.bound() == warm


async def test_a_new_leader_clears_what_stands_half_where_the_node_is_gone(yard: Yard) -> None:
    warm = await yard.node("warm")
    await yard.pod()
    await nominate_half(yard, warm)
    await yard.remove_node(warm)
    async with yard.controller():
        pod = await yard.unschedulable()
    assert pod.status.nominated_node_name == ""
    assert names.FORECAST_ANNOTATION not in pod.metadata.annotations


async def test_two_pods_that_fit_once_are_not_both_nominated(yard: Yard) -> None:
    warm = await yard.node("warm", cpu="1500m")
    async with yard.controller():
        await asyncio.gather(yard.pod("one"), yard.pod("two"))
        pods = [await yard.opened(name) for name in ("one", "two")]
        assert sorted(pod.status.nominated_node_name for pod in pods) == ["", warm]


async def test_two_controllers_that_both_lead_place_every_pod_once(yard: Yard) -> None:
    nodes = {await yard.node(f"warm-{number}", cpu="4") for number in range(3)}
    async with yard.controller(leads=True), yard.controller(leads=True):
        await asyncio.gather(*(yard.pod(f"agent-{number}") for number in range(12)))
        placed = [await yard.bound(f"agent-{number}") for number in range(12)]
    assert {node: placed.count(node) for node in nodes} == dict.fromkeys(nodes, 4)


async def test_the_controllers_do_all_this_with_the_rights_of_their_account(
    yard: Yard, control_plane: ControlPlane
) -> None:
    warm = await yard.node("warm")
    token = await control_plane.kubectl("create", "token", "stoker", f"--namespace={names.NAMESPACE}")
    kubeconfig = control_plane.kubeconfig_for_token(token.strip(), "stoker-placement")
    async with ApiClient(await load_access(kubeconfig)) as client, yard.controller(client, lease_in=names.NAMESPACE):
        await yard.pod()
        assert await yard.bound() == warm
        await yard.event("Nominated")
