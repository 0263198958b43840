"""Whatever happens to pods, nodes, writes and leaders: no gate outlives its deadline, and no node is overcommitted."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster import wire
from model.errors import ApiError, Conflict, ConnectionFailed
from placement.judge import Judge
from placement.verdicts import Nominate, Verdict
from tests.placement.desk import Desk, Document

HOLD_SECONDS = 60
CPUS = 3
MOST_TURNS = 3
NODES = ("a", "b", "c")
FREELY = "bound-freely"
"""A label: of a pod that the scheduler bound to a node which nobody had named."""

Step = Callable[[Desk], None]


@pytest.fixture(autouse=True, scope="module")
def _in_no_time() -> Iterator[None]:
    """Pauses and retries take no time; deadlines are by the desk's clock."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("placement.controller.SHORTEST_PAUSE_WALL_SECONDS", 0.0)
        patch.setattr("placement.controller.LONGEST_PAUSE_WALL_SECONDS", 0.001)
        patch.setattr("placement.dispatch.RETRY_WALL_SECONDS", 0.001)
        yield


def arrive(number: int, cpu: int) -> Step:
    return lambda desk: None if desk.has(f"agent-{number}") else desk.pod(f"agent-{number}", cpu=str(cpu))


def edit(number: int) -> Step:
    def change(desk: Desk) -> None:
        if desk.has(f"agent-{number}"):
            desk.edit(f"agent-{number}", lambda document: document["metadata"].setdefault("labels", {}).update(x="y"))

    return change


def leave(number: int) -> Step:
    return lambda desk: desk.delete(f"agent-{number}") if desk.has(f"agent-{number}") else None


def schedule(desk: Desk) -> None:
    """What kube-scheduler does with the pods whose gate is open: the nominated node first, then any that has room.

    Nominations that are written keep others out; what finds no node is Unschedulable, and loses its nomination.
    """
    for pod in desk.pods():
        if pod.spec.scheduling_gates or pod.spec.node_name:
            continue
        nominated = pod.status.nominated_node_name
        node = next((name for name in (nominated, *NODES) if has_room(desk, name, pod)), "")
        desk.edit(pod.metadata.name, partial(answer, node=node, is_as_nominated=node == nominated))


def has_room(desk: Desk, name: str, pod: wire.Pod) -> bool:
    node = desk.snapshot.fleet.node(name)
    if node is None or not node.schedulable:
        return False
    others = [other for other in desk.pods() if other.metadata.uid != pod.metadata.uid]
    return cpus(pod) + sum(cpus(other) for other in others if place_of(other) == name) <= CPUS


def answer(document: Document, *, node: str, is_as_nominated: bool) -> None:
    document["status"].pop("nominatedNodeName", None)
    if node:
        document["spec"]["nodeName"] = node
        if not is_as_nominated:
            document["metadata"].setdefault("labels", {})[FREELY] = "yes"
    else:
        document["status"]["conditions"] = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]


def cpus(pod: wire.Pod) -> int:
    return int(pod.spec.containers[0].resources.requests["cpu"])


def place_of(pod: wire.Pod) -> str:
    return pod.spec.node_name or pod.status.nominated_node_name


def warm(name: str) -> Step:
    return lambda desk: desk.node(name, cpu=str(CPUS))


def settle(name: str, seconds: int) -> Step:
    return lambda desk: desk.settling_node(name, seconds, cpu=str(CPUS))


def lose(name: str) -> Step:
    return lambda desk: desk.remove_node(name)


def cordon(name: str) -> Step:
    return lambda desk: desk.node(name, cpu=str(CPUS), unschedulable=True)


def fail(error: Exception) -> Step:
    return lambda desk: desk.gates.failures.append(error)


def stop_half(desk: Desk) -> None:
    desk.gates.stop_after_nomination = ConnectionFailed("broke off")


def miss(desk: Desk) -> None:
    """What becomes of the pods is not seen for a while."""
    desk.is_delivering = False


def see(desk: Desk) -> None:
    """Changes are seen again, but not yet those that were missed."""
    desk.is_delivering = True


def catch_up(desk: Desk) -> None:
    desk.deliver()


def unsync(desk: Desk) -> None:
    desk.set_synced(False)


def sync(desk: Desk) -> None:
    desk.set_synced(True)


def pass_time(seconds: int) -> Step:
    def wait(desk: Desk) -> None:
        desk.now += seconds

    return wait


numbers, nodes = st.integers(0, 9), st.sampled_from(NODES)
arrivals = st.builds(arrive, numbers, st.integers(1, 2))
steps = st.one_of(
    *(arrivals,) * 15,
    st.builds(edit, numbers),
    st.builds(leave, numbers),
    st.builds(warm, nodes),
    st.builds(settle, nodes, st.integers(1, 19)),
    st.builds(lose, nodes),
    st.builds(cordon, nodes),
    st.builds(
        fail,
        st.sampled_from(
            [Conflict("edited", status=409), ConnectionFailed("no answer"), ApiError("overloaded", status=503)]
        ),
    ),
    *(st.just(schedule),) * 2,
    st.just(stop_half),
    st.just(miss),
    st.just(see),
    *(st.just(catch_up),) * 2,
    st.just(unsync),
    *(st.just(sync),) * 2,
    st.builds(pass_time, st.integers(1, 30)),
)

stories = st.lists(st.tuples(steps, st.sampled_from((0, 1, MOST_TURNS, MOST_TURNS))), min_size=15, max_size=40)
"""Each begins with two warm nodes; a step, and how much time the controller has after it."""


def overcommitted(desk: Desk) -> list[str]:
    """Nodes that have less than what is nominated there and what is bound there by a nomination.

    What was let through is the scheduler's, which may give it a node between our decision and the write.
    """
    taken: Counter[str] = Counter()
    for pod in desk.pods():
        if FREELY not in pod.metadata.labels:
            taken[place_of(pod)] += cpus(pod)
    return [name for name in NODES if taken[name] > CPUS]


@contextmanager
def promises_kept(desk: Desk) -> Iterator[None]:
    """Afterwards: no node was named that, beside all that was seen bound or nominated, or promised, had no room."""
    broken: list[str] = []
    judged = Judge.verdicts

    def checked(self: Judge, gated: Iterable[wire.Pod], placed: Mapping[str, str], now: float) -> dict[str, Verdict]:
        verdicts = judged(self, gated, placed, now)
        named = {uid: verdict.node for uid, verdict in verdicts.items() if isinstance(verdict, Nominate)}
        taken: Counter[str] = Counter()
        for pod in desk.seen():
            uid = pod.metadata.uid
            taken[place_of(pod) or placed.get(uid, "") or named.get(uid, "")] += cpus(pod)
        broken.extend(name for name in named.values() if taken[name] > CPUS)
        return verdicts

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Judge, "verdicts", checked)
        yield
    assert broken == []


def staged() -> Desk:
    desk = Desk()
    desk.profile(maxHoldSeconds=HOLD_SECONDS)
    warm("a")(desk)
    warm("b")(desk)
    return desk


async def take_turns(turns: int) -> None:
    """So many of the event loop, and where they are the most, time enough for a round or two."""
    for _ in range(turns):
        await asyncio.sleep(0)
    if turns == MOST_TURNS:
        await asyncio.sleep(0.002)


@settings(max_examples=150)
@given(stories, st.booleans())
async def test_every_gate_is_opened_by_its_deadline_and_no_node_is_overcommitted(
    story: list[tuple[Step, int]], has_two_leaders: bool
) -> None:
    desk = staged()
    async with AsyncExitStack() as stack:
        if not has_two_leaders:
            stack.enter_context(promises_kept(desk))
        for _ in range(1 + has_two_leaders):
            await stack.enter_async_context(desk.at_work())
        for step, turns in story:
            step(desk)
            await take_turns(turns)
            if not has_two_leaders:
                assert overcommitted(desk) == []
        desk.deliver()
        desk.now += HOLD_SECONDS
        await desk.until(lambda: not desk.gated())


@settings(max_examples=60)
@given(stories)
async def test_a_new_leader_owes_its_pods_what_the_last_one_did(story: list[tuple[Step, int]]) -> None:
    """The first is cut off wherever it stands; the second begins with nothing but the pods."""
    desk = staged()
    async with desk.at_work():
        for step, turns in story:
            step(desk)
            await take_turns(turns)
        desk.gates.failures = [ConnectionFailed("killed")] * 20
    desk.gates.failures = []
    desk.gates.stop_after_nomination = None
    desk.deliver()
    desk.now += HOLD_SECONDS
    async with desk.at_work():
        await desk.until(lambda: not desk.gated())
        assert overcommitted(desk) == []
