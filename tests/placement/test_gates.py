"""The two writes: what they carry, in which order, and under which preconditions."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from cluster import wire
from cluster.client import ApiClient
from model import names
from model.errors import Conflict, NotFound
from placement.gates import GateKeeper
from tests.cluster.objects import decoded
from tests.placement.yard import Yard

OURS = {"name": names.WARM_NODE_GATE}
OTHERS = {"name": "example.com/other"}
POD = "/api/v1/namespaces/tenant-a/pods/p1"
TOLD = '{"node":"warm","seconds":43}'


class Updates:
    """Takes whole pods and answers with the versions v1, v2, ..."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.sent: list[dict[str, Any]] = []

    async def update_for_version(self, path: str, body: dict[str, Any]) -> str:
        self.paths.append(path)
        self.sent.append(copy.deepcopy(body))
        return f"v{len(self.sent)}"


def keeper(updates: Updates) -> GateKeeper:
    client: ApiClient = updates  # type: ignore[assignment] # the one method that gates need
    return GateKeeper(client)


def gated(*gates: dict[str, str], annotations: dict[str, str] | None = None, **status: Any) -> wire.Pod:
    """A pod at version v0, with fields and a record of field managers that nothing here reads."""
    metadata = {
        "name": "p1",
        "namespace": "tenant-a",
        "uid": "uid-p1",
        "resourceVersion": "v0",
        "annotations": {"example.com/theirs": "kept", **(annotations or {})},
        "managedFields": [{"manager": "them"}],
    }
    spec = {"schedulingGates": list(gates), "containers": [{"name": "c0", "image": "agent:v1", "tty": True}]}
    return decoded(wire.Pod, {"metadata": metadata, "spec": spec, "status": {"phase": "Pending", **status}})


def gates_in(body: dict[str, Any]) -> Any:
    return body["spec"]["schedulingGates"]


def forecast_in(body: dict[str, Any]) -> Any:
    return body["metadata"]["annotations"].get(names.FORECAST_ANNOTATION)


def versions(updates: Updates) -> list[str]:
    return [body["metadata"]["resourceVersion"] for body in updates.sent]


async def test_the_nomination_carries_the_forecast_and_the_gate_goes_second() -> None:
    updates = Updates()
    assert await keeper(updates).nominate(gated(OURS), "warm", TOLD) == "v2"
    first, second = updates.sent
    assert updates.paths == [f"{POD}/status", POD]
    assert (first["status"]["nominatedNodeName"], forecast_in(first), gates_in(first)) == ("warm", TOLD, [OURS])
    assert gates_in(second) == []


async def test_each_write_is_for_the_pod_that_was_read_at_the_version_before_it() -> None:
    updates = Updates()
    await keeper(updates).nominate(gated(OURS), "warm", TOLD)
    assert versions(updates) == ["v0", "v1"]
    assert {body["metadata"]["uid"] for body in updates.sent} == {"uid-p1"}


async def test_what_nobody_here_reads_is_written_back_as_it_was() -> None:
    updates = Updates()
    await keeper(updates).nominate(gated(OURS), "warm", TOLD)
    for body in updates.sent:
        assert body["spec"]["containers"] == [{"name": "c0", "image": "agent:v1", "tty": True}]
        assert body["metadata"]["annotations"]["example.com/theirs"] == "kept"


async def test_the_record_of_field_managers_is_left_to_the_server() -> None:
    updates = Updates()
    await keeper(updates).finish(gated(OURS))
    assert "managedFields" not in updates.sent[0]["metadata"]


async def test_the_gates_of_others_stay_in_their_order() -> None:
    updates = Updates()
    late = {"name": "example.com/late"}
    await keeper(updates).finish(gated(OTHERS, OURS, late))
    assert [gates_in(body) for body in updates.sent] == [[OTHERS, late]]


async def test_letting_through_is_one_write() -> None:
    updates = Updates()
    assert await keeper(updates).let_through(gated(OURS)) == "v1"
    assert updates.paths == [POD]


async def test_letting_through_takes_off_what_the_pod_waited_for() -> None:
    updates = Updates()
    await keeper(updates).let_through(gated(OURS, annotations={names.FORECAST_ANNOTATION: TOLD}))
    assert forecast_in(updates.sent[0]) is None


async def test_letting_through_clears_a_nomination_of_ours_first() -> None:
    updates = Updates()
    await keeper(updates).let_through(
        gated(OURS, annotations={names.FORECAST_ANNOTATION: TOLD}, nominatedNodeName="warm")
    )
    cleared, opened = updates.sent
    assert updates.paths == [f"{POD}/status", POD]
    assert ("nominatedNodeName" in cleared["status"], forecast_in(cleared), gates_in(cleared)) == (False, None, [OURS])
    assert (gates_in(opened), versions(updates)) == ([], ["v0", "v1"])


async def test_disowning_takes_the_annotation_off_and_leaves_the_nomination() -> None:
    updates = Updates()
    await keeper(updates).disown(gated(annotations={names.FORECAST_ANNOTATION: TOLD}, nominatedNodeName="warm"))
    assert updates.paths == [f"{POD}/status"]
    assert (updates.sent[0]["status"]["nominatedNodeName"], forecast_in(updates.sent[0])) == ("warm", None)


async def test_letting_through_leaves_anothers_nomination() -> None:
    updates = Updates()
    await keeper(updates).let_through(gated(OURS, nominatedNodeName="warm"))
    assert updates.paths == [POD]


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
