"""Whose process is gone is followed at once, and at no time do two lead where the network tells the truth."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.leases import LEASE_SECONDS
from model import names
from model.errors import ConnectionFailed
from tests.cluster.election import Api, Replica, started

ONE, OTHER, THIRD = "10.0.0.1:9090", "10.0.0.2:9090", "10.0.0.3:9090"


async def test_the_holder_writes_where_it_listens_and_nothing_is_left_of_it_when_it_resigns(api: Api) -> None:
    one = await started(api, "one", ONE)
    assert api.annotations == {names.HOLDER_ADDRESS_ANNOTATION: f"{one.leadership.identity}@{ONE}"}
    api.annotations["example.com/kept"] = "yes"
    await one.leadership.resign()
    assert api.annotations == {"example.com/kept": "yes"}


async def test_who_tells_no_address_leaves_none_of_the_holder_before(api: Api) -> None:
    one, other = await started(api, "one", ONE), await started(api, "other")
    await one.leadership.resign()
    await other.round()
    assert (other.leading, api.annotations) == (True, {})


async def test_who_waits_leads_as_soon_as_the_process_of_the_holder_is_gone(api: Api) -> None:
    one, other = await started(api, "one", ONE), await started(api, "other", OTHER)
    await other.probe()
    assert one.leading
    api.listening[ONE] = False
    await other.probe()
    assert other.leading
    assert api.spec["holderIdentity"] == other.leadership.identity
    assert api.annotations == {names.HOLDER_ADDRESS_ANNOTATION: f"{other.leadership.identity}@{OTHER}"}


async def test_who_waits_leaves_a_holder_that_it_never_reached_until_the_lease_has_run_out(api: Api) -> None:
    await started(api, "one", ONE)
    api.listening[ONE] = False
    other = await started(api, "other", OTHER)
    for _ in range(5):
        await other.probe()
    await other.rounds(LEASE_SECONDS - 1)
    assert not other.leading
    await other.round()
    assert other.leading


async def test_a_leader_that_was_deposed_by_mistake_does_not_depose_whom_it_never_reached(api: Api) -> None:
    """The network lets nobody through any more that it let through before."""
    one, other = await started(api, "one", ONE), await started(api, "other", OTHER)
    await other.probe()
    api.listening = {ONE: False, OTHER: False}
    await other.probe()
    await one.round()
    assert (one.leading, other.leading) == (False, True)
    for _ in range(5):
        await one.probe()
    await one.round()
    assert (one.leading, other.leading) == (False, True)


async def test_of_two_that_see_the_holder_dead_one_leads(api: Api) -> None:
    await started(api, "one", ONE)
    rivals = [await started(api, "other", OTHER), await started(api, "third", THIRD)]
    for rival in rivals:
        await rival.probe()
    api.listening[ONE] = False
    for rival in rivals:
        await rival.probe()
    assert sorted(rival.leading for rival in rivals) == [False, True]


async def test_a_dead_holders_lease_that_could_not_be_written_is_tried_again_when_a_renewal_would_be_due(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    """Not at each probe: every replica would write four times a second to a server that fails."""
    await started(api, "one", ONE)
    other = await started(api, "other", OTHER)
    await other.probe()
    api.listening[ONE] = False
    tries = 0

    def fail() -> None:
        nonlocal tries
        tries += 1
        raise ConnectionFailed("no answer")

    api.before_update = fail
    for _ in range(8):
        await other.probe()
    assert (other.leading, tries) == (False, 1)
    api.before_update = lambda: None
    assert "is dead" not in caplog.text
    await other.round()
    assert other.leading
    assert caplog.text.count("is dead") == 1


async def test_a_process_takes_the_lease_of_the_one_before_it_in_its_container_at_once(api: Api) -> None:
    await started(api, "pod", ONE)
    again = await started(api, "pod", ONE)
    assert again.leading


async def test_a_process_that_was_there_before_takes_nothing_from_one_at_its_own_address(api: Api) -> None:
    """Two machines of one name, say, of which each is 127.0.0.1 to itself."""
    one, other = await started(api, "debian", ONE), await started(api, "debian", ONE)
    for _ in range(3):
        await one.round()
        await one.probe()
    assert (one.leading, other.leading) == (False, True)


async def test_whoever_wants_to_know_is_told_when_the_lease_is_won_and_not_when_it_is_renewed(api: Api) -> None:
    one, other = await started(api), await started(api)
    told: list[str] = []
    other.leadership.observers.append(lambda: told.append("won"))
    await one.leadership.resign()
    await other.round()
    await other.rounds(20)
    assert told == ["won"]


async def test_who_leads_again_after_a_time_without_renewals_has_won_anew(api: Api) -> None:
    """Another one led meanwhile, and gave the Lease back before this one looked again."""
    one = await started(api, "one")
    told: list[str] = []
    one.leadership.observers.append(lambda: told.append("won"))
    api.failure = ConnectionFailed("down")
    await one.rounds(18)
    api.failure = None
    other = await started(api, "other")
    await other.rounds(18)
    assert (one.leading, other.leading) == (False, True)
    await other.leadership.resign()
    await one.round()
    assert (one.leading, told) == (True, ["won"])


async def test_who_is_not_fit_when_the_holder_dies_follows_at_its_next_look_when_it_is(api: Api) -> None:
    await started(api, "one", ONE)
    other = await started(api, "other", OTHER)
    await other.probe()
    other.is_fit = False
    api.listening[ONE] = False
    await other.probe()
    assert not other.leading
    other.is_fit = True
    await other.round()
    assert other.leading


class Election:
    """Replicas that live and die, in one time."""

    def __init__(self) -> None:
        self.api = Api()
        self.replicas: list[Replica] = []

    @property
    def living(self) -> list[Replica]:
        return [replica for replica in self.replicas if replica.is_alive]

    @property
    def leaders(self) -> list[Replica]:
        return [replica for replica in self.living if replica.leading]

    def address(self, replica: Replica) -> str:
        return f"10.0.0.{self.replicas.index(replica) + 1}:9090"

    async def start(self) -> None:
        number = len(self.replicas)
        self.replicas.append(await started(self.api, f"pod-{number}", f"10.0.0.{number + 1}:9090"))

    async def kill(self, replica: Replica) -> None:
        await replica.die()
        self.api.listening[self.address(replica)] = False

    async def tick(self) -> None:
        """Two seconds later everybody has looked at the Lease."""
        for replica in self.living:
            await replica.round()

    async def do(self, step: tuple[str, int]) -> None:
        name, number = step
        if name == "start" or not self.living:
            await self.start()
            return
        chosen = self.living[number % len(self.living)]
        match name:
            case "kill":
                await self.kill(chosen)
            case "probe":
                await chosen.probe()
            case "tick":
                await self.tick()
            case _:
                self.api.listening[self.address(chosen)] = name == "let through"


LIVES = ("start", "kill", "probe", "probe", "tick")
LIES = (*LIVES, "cut off", "let through")


def steps(of: tuple[str, ...]) -> st.SearchStrategy[list[tuple[str, int]]]:
    return st.lists(st.tuples(st.sampled_from(of), st.integers(0, 5)), max_size=30)


async def play(election: Election, course: list[tuple[str, int]]) -> list[int]:
    """How many lead after each step."""
    found = []
    for step in course:
        await election.do(step)
        found.append(len(election.leaders))
    return found


@given(steps(LIVES))
@settings(max_examples=60)
def test_no_two_lead_at_any_time_whoever_dies(course: list[tuple[str, int]]) -> None:
    async def run() -> list[int]:
        election = Election()
        try:
            return await play(election, course)
        finally:
            await election.api.close()

    assert max(asyncio.run(run()), default=0) <= 1


@given(steps(LIES))
@settings(max_examples=60)
def test_where_the_network_lies_one_leads_as_soon_as_all_have_looked_at_the_lease(
    course: list[tuple[str, int]],
) -> None:
    """And stays it, once the network has stopped to change its mind."""

    async def run() -> list[list[Replica]]:
        election, found = Election(), []
        try:
            await play(election, [*course, ("start", 0)])
            for _ in range(LEASE_SECONDS):
                await election.tick()
            for _ in range(4):
                for replica in election.living:
                    await replica.probe()
                await election.tick()
                found.append(election.leaders)
        finally:
            await election.api.close()
        return found

    first, *later = asyncio.run(run())
    assert len(first) == 1
    assert later == [first] * len(later)
