"""Opening overdue gates without a controller: which, whose, and what does not keep the others shut."""

from __future__ import annotations

import time
from typing import Any

import pytest

from cluster.client import ApiClient
from cluster.clock import Clock
from model import names
from model.errors import ApiError
from placement.gates import GateKeeper
from placement.release import Release, release
from tests.placement.yard import Yard

pytestmark = pytest.mark.controlplane

OTHERS = "example.com/other"


def later(seconds: float) -> Clock:
    """A clock that is ahead, so that pods have waited for so long already."""
    return Clock(wall=lambda: time.time() + seconds)


async def outcomes(yard: Yard, clock: Clock, *, everything: bool = False, dry_run: bool = False) -> dict[str, str]:
    """Of the yard's pods by name."""
    results = await release(yard.client, clock, everything=everything, dry_run=dry_run)
    return {item.name: item.outcome for item in results if item.namespace == yard.namespace}


async def gates(yard: Yard, name: str = "agent") -> list[str]:
    return [gate.name for gate in (await yard.read(name)).spec.scheduling_gates]


async def test_gates_are_opened_once_their_profiles_deadline_has_passed(yard: Yard) -> None:
    await yard.profile("long", maxHoldSeconds=600)
    await yard.pod("short")
    await yard.pod("long", profile="long")
    assert await outcomes(yard, later(50)) == {"short": "not-due", "long": "not-due"}
    assert await outcomes(yard, later(70)) == {"short": "opened", "long": "not-due"}
    assert (await gates(yard, "short"), await gates(yard, "long")) == ([], [names.WARM_NODE_GATE])
    assert await outcomes(yard, later(610)) == {"long": "opened"}
    assert await outcomes(yard, later(610)) == {}


async def test_the_gates_of_others_stay(yard: Yard) -> None:
    await yard.pod("both", gates=(OTHERS, names.WARM_NODE_GATE))
    await yard.pod("theirs", gates=(OTHERS,))
    assert await outcomes(yard, later(70)) == {"both": "opened"}
    assert (await gates(yard, "both"), await gates(yard, "theirs")) == ([OTHERS], [OTHERS])


async def test_all_of_ours_are_opened_before_uninstalling(yard: Yard) -> None:
    await yard.pod()
    assert await outcomes(yard, later(0), everything=True) == {"agent": "opened"}
    assert await gates(yard) == []


async def test_a_dry_run_tells_and_opens_nothing(yard: Yard) -> None:
    await yard.pod()
    assert await outcomes(yard, later(0), dry_run=True) == {"agent": "not-due"}
    assert await outcomes(yard, later(70), dry_run=True) == {"agent": "would-open"}
    assert await outcomes(yard, later(0), dry_run=True, everything=True) == {"agent": "would-open"}
    assert await gates(yard) == [names.WARM_NODE_GATE]


@pytest.mark.parametrize(("seconds", "outcome"), [(115, "not-due"), (125, "opened")])
async def test_without_its_profile_a_pod_has_the_default_deadline(yard: Yard, seconds: float, outcome: str) -> None:
    await yard.pod(profile="gone")
    assert await outcomes(yard, later(seconds)) == {"agent": outcome}


async def test_a_nomination_of_ours_that_was_left_over_is_cleared_and_anothers_is_not(yard: Yard) -> None:
    told = {"metadata": {"annotations": {names.FORECAST_ANNOTATION: '{"node":"warm"}'}}}
    for name, body in (("ours", told), ("theirs", {})):
        await yard.pod(name, schedulerName="nobody")  # a scheduler would clear what it cannot bind
        await yard.client.patch(f"{yard.pods}/{name}/status", {**body, "status": {"nominatedNodeName": "warm"}})
    assert await outcomes(yard, later(70)) == {"ours": "opened", "theirs": "opened"}
    assert (await yard.read("ours")).status.nominated_node_name == ""
    assert (await yard.read("theirs")).status.nominated_node_name == "warm"


async def test_a_pod_that_is_edited_meanwhile_is_left_to_the_next_run(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    await yard.pod()
    let_through = GateKeeper.let_through

    async def after_an_edit(self: GateKeeper, pod: Any) -> str:
        await yard.client.patch(f"{yard.pods}/agent", {"metadata": {"labels": {"edited": "yes"}}})
        monkeypatch.setattr(GateKeeper, "let_through", let_through)
        return await let_through(self, pod)

    monkeypatch.setattr(GateKeeper, "let_through", after_an_edit)
    assert await outcomes(yard, later(70)) == {"agent": "changed"}
    assert await outcomes(yard, later(70)) == {"agent": "opened"}


async def test_a_pod_that_cannot_be_opened_keeps_nobody_else_shut(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("first", "second", "third"):
        await yard.pod(name)
    update = ApiClient.update_for_version

    async def refusing(self: ApiClient, path: str, body: Any) -> str:
        if path.endswith("/second"):
            raise ApiError("a policy refuses", status=403)
        return await update(self, path, body)

    monkeypatch.setattr(ApiClient, "update_for_version", refusing)
    assert await outcomes(yard, later(70)) == {"first": "opened", "second": "failed", "third": "opened"}


async def test_a_pod_that_a_finalizer_keeps_while_it_is_deleted_keeps_nobody_else_shut(yard: Yard) -> None:
    for name in ("going", "sound"):
        await yard.pod(name)
    going = f"{yard.pods}/going"
    await yard.client.patch(going, {"metadata": {"finalizers": ["example.com/kept"]}})
    await yard.client.delete(going)
    try:
        assert await outcomes(yard, later(70)) == {"sound": "opened"}
    finally:
        await yard.client.patch(going, {"metadata": {"finalizers": None}})


async def test_lists_of_several_pages_are_read_to_their_end(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("placement.release.PAGE_SIZE", 2)
    for number in range(5):
        await yard.pod(f"agent-{number}")
    assert await outcomes(yard, later(70)) == {f"agent-{number}": "opened" for number in range(5)}


async def test_what_is_told_includes_the_seconds_beyond_the_deadline(yard: Yard) -> None:
    await yard.pod()
    results = await release(yard.client, later(90), everything=False, dry_run=True)
    (told,) = (item for item in results if item.namespace == yard.namespace)
    assert told.overdue_seconds is not None
    assert told == Release(yard.namespace, "agent", "would-open", told.overdue_seconds)
    assert 29 < told.overdue_seconds < 50
