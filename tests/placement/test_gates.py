"""The two writes: what they carry, in which order, and under which preconditions."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.client import ApiClient
from model import names
from model.errors import Conflict, NotFound
from placement.gates import GateKeeper
from tests.cluster.objects import pod as unversioned
from tests.placement.yard import Yard

OURS = {"name": names.WARM_NODE_GATE}
OTHERS = {"name": "example.com/other"}
POD = "/api/v1/namespaces/tenant-a/pods/p1"
TOLD = '{"node":"warm","seconds":43}'


class Patches:
    """Takes patches and answers with the versions v1, v2, ..."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []

    async def patch_for_version(self, path: str, body: dict[str, Any]) -> str:
        self.sent.append((path, body))
        return f"v{len(self.sent)}"


def keeper(patches: Patches) -> GateKeeper:
    client: ApiClient = patches  # type: ignore[assignment] # the one method that gates need
    return GateKeeper(client)


def precondition(version: str, **more: Any) -> dict[str, Any]:
    return {"uid": "uid-p1", "resourceVersion": version, **more}


def gated(*gates: dict[str, str], annotations: dict[str, str] | None = None, **status: Any) -> Any:
    made = unversioned(spec={"schedulingGates": list(gates)}, annotations=annotations, **status)
    made.metadata.resource_version = "v0"
    return made


async def test_the_nomination_carries_the_forecast_and_the_gate_goes_second() -> None:
    patches = Patches()
    assert await keeper(patches).nominate(gated(OURS), "warm", TOLD) == "v2"
    annotations = {"annotations": {names.FORECAST_ANNOTATION: TOLD}}
    assert patches.sent == [
        (f"{POD}/status", {"metadata": precondition("v0", **annotations), "status": {"nominatedNodeName": "warm"}}),
        (POD, {"metadata": precondition("v1"), "spec": {"schedulingGates": None}}),
    ]


async def test_the_gates_of_others_stay_in_their_order() -> None:
    patches = Patches()
    late = {"name": "example.com/late"}
    await keeper(patches).finish(gated(OTHERS, OURS, late))
    assert patches.sent == [(POD, {"metadata": precondition("v0"), "spec": {"schedulingGates": [OTHERS, late]}})]


async def test_letting_through_is_one_write() -> None:
    patches = Patches()
    assert await keeper(patches).let_through(gated(OURS)) == "v1"
    assert patches.sent == [(POD, {"metadata": precondition("v0"), "spec": {"schedulingGates": None}})]


async def test_letting_through_takes_off_what_the_pod_waited_for() -> None:
    patches = Patches()
    await keeper(patches).let_through(gated(OURS, annotations={names.FORECAST_ANNOTATION: TOLD}))
    assert patches.sent[0][1]["metadata"]["annotations"] == {names.FORECAST_ANNOTATION: None}


async def test_letting_through_clears_a_nomination_of_ours_first() -> None:
    patches = Patches()
    await keeper(patches).let_through(
        gated(OURS, annotations={names.FORECAST_ANNOTATION: TOLD}, nominatedNodeName="warm")
    )
    (first, cleared), (second, opened) = patches.sent
    assert (first, second) == (f"{POD}/status", POD)
    assert cleared["status"] == {"nominatedNodeName": None}
    assert cleared["metadata"]["annotations"] == {names.FORECAST_ANNOTATION: None}
    assert opened["metadata"]["resourceVersion"] == "v1"


async def test_letting_through_leaves_anothers_nomination() -> None:
    patches = Patches()
    await keeper(patches).let_through(gated(OURS, nominatedNodeName="warm"))
    assert [path for path, _ in patches.sent] == [POD]


@pytest.mark.controlplane
@pytest.mark.parametrize("write", ["nominate", "let_through", "finish", "clear", "annotate"])
async def test_a_pod_that_was_edited_deleted_or_made_anew_is_left_alone(yard: Yard, write: str) -> None:
    arguments = {"nominate": ("warm", TOLD), "annotate": (TOLD,)}.get(write, ())
    gates = GateKeeper(yard.client)
    await yard.pod()
    stale = await yard.read()
    await yard.client.patch(f"{yard.pods}/agent", {"metadata": {"labels": {"edited": "yes"}}})
    with pytest.raises(Conflict):
        await getattr(gates, write)(stale, *arguments)
    known = await yard.read()
    await yard.client.delete(f"{yard.pods}/agent", {"gracePeriodSeconds": 0})
    with pytest.raises(NotFound):
        await getattr(gates, write)(known, *arguments)
    await yard.pod()
    with pytest.raises(Conflict):
        await getattr(gates, write)(known, *arguments)
    left = await yard.read()
    assert (left.status.nominated_node_name, len(left.spec.scheduling_gates)) == ("", 1)
    assert names.FORECAST_ANNOTATION not in left.metadata.annotations


@pytest.mark.controlplane
async def test_a_write_that_changes_nothing_leaves_the_version(yard: Yard) -> None:
    gates = GateKeeper(yard.client)
    await yard.pod()
    version = await gates.annotate(await yard.read(), TOLD)
    assert await gates.annotate(await yard.read(), TOLD) == version
    assert (await yard.read()).metadata.resource_version == version
