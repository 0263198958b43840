"""Whatever happens to pods, nodes, writes and leaders: no gate outlives its deadline, and no node is overcommitted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster import wire
from model.errors import ConnectionFailed
from placement.deadlines import OVERDUE_WALL_SECONDS
from placement.judge import Judge
from placement.verdicts import Nominate, Verdict
from tests.placement.desk import Desk
from tests.placement.stories import (
    CPUS,
    FREELY,
    HOLD_SECONDS,
    NODES,
    Step,
    cpus,
    go_on,
    place_of,
    staged,
    stories,
    take_turns,
)


@pytest.fixture(autouse=True, scope="module")
def _in_no_time() -> Iterator[None]:
    """Pauses and retries take no time, deadlines are by the desk's clock; and nominations come to queue."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("placement.controller.SHORTEST_PAUSE_WALL_SECONDS", 0.0)
        patch.setattr("placement.controller.LONGEST_PAUSE_WALL_SECONDS", 0.001)
        patch.setattr("placement.controller.BACKLOG_PAUSE_WALL_SECONDS", 0.001)
        patch.setattr("placement.dispatch.WRITES_AT_ONCE", 1)
        patch.setattr("placement.dispatch.RETRY_WALL_SECONDS", 0.001)
        yield


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
        await desk.until(lambda: all(desk.read(name).status.nominated_node_name for name in desk.gated()))
        go_on(desk)
        await desk.until(lambda: not desk.gated())


@settings(max_examples=60)
@given(stories)
async def test_every_gate_is_opened_soon_after_its_deadline_though_nobody_leads(story: list[tuple[Step, int]]) -> None:
    desk = staged()
    async with desk.at_work():
        for step, turns in story:
            step(desk)
            await take_turns(turns)
        desk.leader.leading = False
        go_on(desk)
        desk.deliver()
        desk.now += HOLD_SECONDS + OVERDUE_WALL_SECONDS
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
        go_on(desk)
    desk.gates.failures = []
    desk.gates.stop_after_nomination = None
    desk.deliver()
    desk.now += HOLD_SECONDS
    async with desk.at_work():
        await desk.until(lambda: not desk.gated())
        assert overcommitted(desk) == []
