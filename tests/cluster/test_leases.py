"""Leases are judged by renewals that were seen: who may lead, when it ends, and whether somebody is there at all."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Any

import pytest

from cluster import wire
from cluster.access import load_access
from cluster.client import ApiClient
from cluster.leases import (
    FIRST_LOOK_SECONDS,
    GIVE_UP_SECONDS,
    LEASE_SECONDS,
    RENEW_SECONDS,
    Leadership,
    LeaseName,
    LeaseObserver,
)
from lab.controlplane import ControlPlane
from model.errors import ApiError, ConnectionFailed
from tests.cli.command import until
from tests.cluster.election import Api, Replica, started
from tests.cluster.objects import decoded
from tests.conftest import namespace_name


async def test_the_first_takes_the_lease_and_keeps_it(api: Api) -> None:
    replica = await started(api)
    assert replica.leading
    first = api.spec["renewTime"]
    await replica.rounds(60)
    assert replica.leading
    assert (api.spec["holderIdentity"], api.spec["leaseTransitions"]) == (replica.leadership.identity, 1)
    assert api.spec["renewTime"] > first


async def test_two_of_one_name_are_two(api: Api) -> None:
    one, other = await started(api, "same"), await started(api, "same")
    assert (one.leading, other.leading) == (True, False)


async def test_who_waits_takes_over_once_no_renewal_was_seen_for_the_leases_whole_time(api: Api) -> None:
    one, other = await started(api), await started(api)
    await other.rounds(LEASE_SECONDS - 1)
    assert not other.leading
    await other.round()
    assert other.leading
    assert api.spec["holderIdentity"] == other.leadership.identity
    await one.round()
    assert not one.leading


async def test_each_renewal_seen_makes_who_waits_wait_anew_whatever_times_are_written(api: Api) -> None:
    one, other = await started(api), await started(api)
    for number in range(20):
        api.spec["renewTime"] = f"1970-01-01T00:00:{number:02}.000000Z"  # another machine's clock
        await other.rounds(LEASE_SECONDS - 5)
        assert not other.leading
    assert one.leading


async def test_the_duration_that_the_holder_wrote_is_what_counts(api: Api) -> None:
    await started(api)
    api.spec["leaseDurationSeconds"] = 60
    other = await started(api)
    await other.rounds(58)
    assert not other.leading
    await other.round()
    assert other.leading


@pytest.mark.parametrize("failure", [ConnectionFailed("no answer"), ApiError("overloaded", status=503)])
async def test_a_leader_that_cannot_renew_stops_before_another_may_begin(api: Api, failure: Exception) -> None:
    replica = await started(api)
    api.failure = failure
    await replica.rounds(GIVE_UP_SECONDS - RENEW_SECONDS)
    assert replica.leading
    await replica.round()
    assert not replica.leading
    assert GIVE_UP_SECONDS < LEASE_SECONDS
    api.failure = None
    await replica.round()
    assert replica.leading


async def test_of_two_that_see_a_free_lease_one_leads(api: Api) -> None:
    one = await started(api)
    await one.leadership.resign()
    rivals = [Replica(api, "left"), Replica(api, "right")]
    for rival in rivals:
        await rival.first_round()
    assert sorted(rival.leading for rival in rivals) == [False, True]


async def test_whoever_writes_second_does_not_lead(api: Api) -> None:
    replica = await started(api)

    def somebody_else() -> None:
        assert api.lease is not None
        api.lease["metadata"]["resourceVersion"] = "900"

    api.before_update = somebody_else
    await replica.round()
    assert not replica.leading


async def test_who_resigns_gives_the_lease_back_so_that_the_next_begins_at_its_next_look(api: Api) -> None:
    one, other = await started(api), await started(api)
    await one.leadership.resign()
    assert (one.leading, api.spec["holderIdentity"]) == (False, "")
    await other.round()
    assert other.leading
    one._turn.release()  # noqa: SLF001 - its last sleep ends
    await asyncio.wait_for(one.task, 10)


async def test_who_resigns_without_leading_takes_nothing_from_the_leader(api: Api) -> None:
    one, other = await started(api), await started(api)
    await other.leadership.resign()
    assert one.leading
    assert api.spec["holderIdentity"] == one.leadership.identity


async def test_a_renewal_under_way_when_it_resigns_does_not_win_the_lease_back(api: Api) -> None:
    api.gate.clear()
    replica = Replica(api)
    resigning = asyncio.create_task(replica.leadership.resign())
    await asyncio.sleep(0)
    api.gate.set()
    await asyncio.wait_for(resigning, 10)
    assert not replica.leading
    assert api.lease is None or api.spec["holderIdentity"] == ""


async def test_a_lease_won_while_resigning_is_told_to_nobody(api: Api) -> None:
    api.gate.clear()
    replica = Replica(api)
    told: list[str] = []
    replica.leadership.observers.append(lambda: told.append("leading"))
    await asyncio.wait_for(api.waiting.wait(), 10)
    resigning = asyncio.create_task(replica.leadership.resign())
    await asyncio.sleep(0)
    api.gate.set()
    await asyncio.wait_for(resigning, 10)
    assert told == []
    assert (api.spec["holderIdentity"], api.spec["leaseTransitions"]) == ("", 2)  # won, and given back


async def test_a_leader_whose_renewal_is_under_way_when_it_resigns_tells_nobody_that_it_leads_anew(api: Api) -> None:
    replica = await started(api)
    told: list[str] = []
    replica.leadership.observers.append(lambda: told.append("leading"))
    api.gate.clear()
    api.waiting.clear()
    replica.begin_round()
    await asyncio.wait_for(api.waiting.wait(), 10)
    resigning = asyncio.create_task(replica.leadership.resign())
    await asyncio.sleep(0)
    api.gate.set()
    await asyncio.wait_for(resigning, 10)
    assert told == []
    assert api.spec["holderIdentity"] == ""


async def test_a_lease_that_cannot_be_given_back_is_no_error(api: Api) -> None:
    replica = await started(api)
    api.failure = ConnectionFailed("no answer")
    await replica.leadership.resign()
    assert not replica.leading


def lease(renewed: int | None, holder: str = "replica", name: str = "stoker-controllers") -> wire.Lease:
    spec: dict[str, Any] = {"holderIdentity": holder}
    if renewed is not None:
        spec["renewTime"] = f"2026-03-03T10:00:{renewed:02}.000000Z"
    return decoded(wire.Lease, {"metadata": {"name": name, "namespace": "stoker-system"}, "spec": spec})


class Watched:
    """An observer with a clock of its own, told of one Lease after another."""

    def __init__(self) -> None:
        self.now = 100.0
        self.observer = LeaseObserver(clock=lambda: self.now)
        self._last: wire.Lease | None = None

    def tell(self, new: wire.Lease | None) -> None:
        self.observer.changed(self._last, new)
        self._last = new

    @property
    def is_renewed(self) -> bool:
        return self.observer.is_renewed("stoker-controllers")


def test_a_lease_that_was_never_seen_is_not_renewed() -> None:
    assert not Watched().is_renewed


def test_a_lease_that_stands_there_may_be_long_dead() -> None:
    watched = Watched()
    watched.tell(lease(1))
    assert not watched.is_renewed


def test_a_lease_is_renewed_while_a_renewal_was_seen_lately() -> None:
    watched = Watched()
    watched.tell(lease(1))
    watched.tell(lease(3))
    assert watched.is_renewed
    watched.now += LEASE_SECONDS - 0.1
    assert watched.is_renewed
    watched.now += 0.1
    assert not watched.is_renewed
    watched.tell(lease(20))
    assert watched.is_renewed


def test_a_change_of_something_else_is_no_renewal() -> None:
    watched = Watched()
    watched.tell(lease(1))
    watched.tell(lease(1, holder="another"))
    assert not watched.is_renewed


def test_a_lease_that_is_given_back_is_attended_to_for_as_long_as_a_renewal_lasts() -> None:
    watched = Watched()
    watched.tell(lease(1))
    watched.tell(lease(3))
    watched.now += LEASE_SECONDS - 0.1
    watched.tell(lease(4, holder=""))
    watched.now += LEASE_SECONDS - 0.1
    assert watched.is_renewed
    watched.tell(lease(5, holder=""))
    watched.now += 0.1
    assert not watched.is_renewed
    watched.tell(lease(6, holder="next"))
    assert watched.is_renewed


def test_a_lease_that_is_given_back_by_somebody_long_dead_is_nobodys() -> None:
    watched = Watched()
    watched.tell(lease(1))
    watched.tell(lease(3))
    watched.now += LEASE_SECONDS
    watched.tell(lease(4, holder=""))
    assert not watched.is_renewed


def test_a_lease_that_was_never_seen_renewed_is_nobodys_when_it_is_given_back() -> None:
    watched = Watched()
    watched.tell(lease(1))
    watched.tell(lease(4, holder=""))
    assert not watched.is_renewed


def test_a_lease_that_this_process_has_won_is_renewed_before_that_is_seen() -> None:
    watched = Watched()
    watched.observer.renewed_here("stoker-controllers")
    assert watched.is_renewed
    watched.tell(lease(1))
    assert watched.observer.complaint(["stoker-controllers"]) is None


def test_while_a_lease_that_was_met_is_not_due_for_renewal_it_is_too_early_to_tell() -> None:
    watched = Watched()
    watched.tell(lease(1))
    assert watched.observer.complaint(["stoker-controllers"])
    assert watched.observer.complaint(["stoker-scheduler"]) is None
    watched.now += FIRST_LOOK_SECONDS
    assert watched.observer.complaint(["stoker-controllers"]) is None


async def test_who_waits_to_know_goes_on_when_a_renewal_is_seen() -> None:
    watched = Watched()
    watched.tell(lease(1))
    waiting = asyncio.create_task(watched.observer.known(["stoker-controllers"]))
    await asyncio.sleep(0)
    watched.tell(lease(1, holder="another"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not waiting.done()
    watched.tell(lease(3))
    await asyncio.wait_for(waiting, 2)
    assert watched.is_renewed


async def test_who_waits_to_know_goes_on_when_a_renewal_would_have_been_seen() -> None:
    """Nobody is there to renew it."""
    ahead = 0.0
    observer = LeaseObserver(clock=lambda: monotonic() + ahead)
    observer.changed(None, lease(1))
    ahead = FIRST_LOOK_SECONDS - 0.01
    await asyncio.wait_for(observer.known(["stoker-controllers"]), 2)
    assert not observer.is_renewed("stoker-controllers")
    assert observer.complaint(["stoker-controllers"]) is None


async def test_who_waits_to_know_of_leases_that_were_never_met_goes_on() -> None:
    watched = Watched()
    watched.tell(lease(1))
    await asyncio.wait_for(watched.observer.known(["stoker-scheduler"]), 2)


async def test_who_waits_to_know_of_a_lease_that_this_process_is_about_to_take_goes_on_when_it_has() -> None:
    watched = Watched()
    watched.observer.expected_here("stoker-controllers")
    waiting = asyncio.create_task(watched.observer.known(["stoker-controllers"]))
    await asyncio.sleep(0)
    assert not waiting.done()
    watched.observer.renewed_here("stoker-controllers")
    await asyncio.wait_for(waiting, 2)


def test_a_lease_that_this_process_does_not_come_to_take_is_not_expected_for_ever() -> None:
    watched = Watched()
    watched.observer.expected_here("stoker-controllers")
    assert watched.observer.complaint(["stoker-controllers"])
    watched.now += FIRST_LOOK_SECONDS
    assert watched.observer.complaint(["stoker-controllers"]) is None


def test_a_lease_that_was_deleted_is_not_renewed() -> None:
    watched = Watched()
    watched.tell(lease(1))
    watched.tell(lease(3))
    watched.tell(None)
    assert not watched.is_renewed


def test_one_lease_says_nothing_about_another() -> None:
    watched = Watched()
    watched.tell(lease(1, name="stoker-scheduler"))
    watched.tell(lease(3, name="stoker-scheduler"))
    assert not watched.is_renewed


@pytest.mark.controlplane
async def test_leadership_moves_when_the_leader_dies_and_when_it_resigns(control_plane: ControlPlane) -> None:
    """By the real server and real clocks."""
    namespace = namespace_name("leases")
    async with ApiClient(await load_access(control_plane.admin_kubeconfig)) as client:
        await client.create("/api/v1/namespaces", {"metadata": {"name": namespace}})
        replicas = [Leadership(client, LeaseName(namespace, "stoker-controllers"), identity="r") for _ in range(3)]
        tasks = [asyncio.create_task(replica.run()) for replica in replicas]

        async def leader() -> int | None:
            leading = [number for number, replica in enumerate(replicas) if replica.leading]
            assert len(leading) < 2
            return leading[0] if leading else None

        first = await until(leader)
        tasks[first].cancel()  # as a kill would end it: the Lease runs out

        async def successor() -> int | None:
            number = await leader()
            return number if number != first else None

        second = await until(successor, seconds=60)
        await replicas[second].resign()
        assert await until(leader) not in (first, second)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
