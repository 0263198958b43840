"""Who is not fit to lead does not run for the Lease, and gives back what it has."""

from __future__ import annotations

import pytest

from cluster.leases import GIVE_UP_SECONDS, LEASE_SECONDS, RENEW_SECONDS, UNFIT_SECONDS
from model.errors import ConnectionFailed
from tests.cluster.election import Api, Replica, started


async def unfit(api: Api, identity: str = "unfit") -> Replica:
    replica = Replica(api, identity)
    replica.is_fit = False
    await replica.first_round()
    return replica


async def test_who_is_not_fit_does_not_run_until_it_is(api: Api) -> None:
    replica = await unfit(api)
    await replica.rounds(20)
    assert (replica.leading, api.lease) == (False, None)
    replica.is_fit = True
    await replica.round()
    assert replica.leading


@pytest.mark.parametrize("how", ["given back", "run out"])
async def test_who_is_not_fit_leaves_a_free_lease_to_others(api: Api, how: str) -> None:
    one = await started(api)
    replica = await unfit(api)
    if how == "given back":
        await one.leadership.resign()
    await replica.rounds(LEASE_SECONDS + 5)
    assert not replica.leading
    other = await started(api)
    await other.rounds(LEASE_SECONDS + 1)
    assert other.leading


async def test_a_leader_that_is_unfit_for_long_gives_the_lease_back_and_another_leads(api: Api) -> None:
    one, other = await started(api), await started(api)
    one.is_fit = False
    await one.rounds(UNFIT_SECONDS - RENEW_SECONDS)
    assert one.leading
    await one.round()
    assert (one.leading, api.spec["holderIdentity"]) == (False, "")
    await other.round()
    assert other.leading


async def test_where_nobody_is_fit_nobody_renews(api: Api) -> None:
    replicas = [await started(api), await started(api)]
    for replica in replicas:
        replica.is_fit = False
        await replica.rounds(UNFIT_SECONDS)
    renewed = api.spec["renewTime"]
    for replica in replicas:
        await replica.rounds(LEASE_SECONDS + 5)
    assert (api.spec["renewTime"], api.spec["holderIdentity"]) == (renewed, "")


async def test_who_gave_the_lease_back_runs_again_when_it_is_fit_and_has_won_anew(api: Api) -> None:
    replica = await started(api)
    told: list[str] = []
    replica.leadership.observers.append(lambda: told.append("won"))
    replica.is_fit = False
    await replica.rounds(UNFIT_SECONDS)
    replica.is_fit = True
    await replica.round()
    assert (replica.leading, told) == (True, ["won"])


async def test_a_leader_that_is_unfit_for_moments_keeps_the_lease(api: Api) -> None:
    replica = await started(api)
    transitions = api.spec["leaseTransitions"]
    for _ in range(5):
        replica.is_fit = False
        await replica.rounds(UNFIT_SECONDS - RENEW_SECONDS)
        replica.is_fit = True
        await replica.round()
    assert (replica.leading, api.spec["leaseTransitions"]) == (True, transitions)


async def test_who_could_not_give_the_lease_back_leads_no_more_and_does_so_when_it_can(api: Api) -> None:
    replica = await started(api)
    replica.is_fit = False
    api.failure = ConnectionFailed("no answer")
    await replica.rounds(max(UNFIT_SECONDS, GIVE_UP_SECONDS) + RENEW_SECONDS)
    assert not replica.leading
    api.failure = None
    await replica.round()
    assert (replica.leading, api.spec["holderIdentity"]) == (False, "")
