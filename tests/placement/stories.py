"""What may happen to pods, nodes, writes and leaders, as the steps of stories that hypothesis draws."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from hypothesis import strategies as st

from cluster import wire
from model.errors import ApiError, Conflict, ConnectionFailed
from tests.placement.desk import Desk, Document, unschedulable

HOLD_SECONDS = 60
CPUS = 3
MOST_TURNS = 3
NODES = ("a", "b", "c")
FREELY = "bound-freely"
"""A label: of a pod that the scheduler bound to a node which nobody had named."""

Step = Callable[[Desk], None]


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
        unschedulable(document)


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


def stall(desk: Desk) -> None:
    """Nominations that have begun do not come to their end, and so others queue."""
    desk.gates.may_go_on.clear()


def go_on(desk: Desk) -> None:
    desk.gates.may_go_on.set()


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
    *(st.just(stall),) * 2,
    st.just(go_on),
    st.just(miss),
    st.just(see),
    *(st.just(catch_up),) * 2,
    st.just(unsync),
    *(st.just(sync),) * 2,
    st.builds(pass_time, st.integers(1, 30)),
)

stories = st.lists(st.tuples(steps, st.sampled_from((0, 1, MOST_TURNS, MOST_TURNS))), min_size=15, max_size=40)
"""Each begins with two warm nodes; a step, and how much time the controller has after it."""
