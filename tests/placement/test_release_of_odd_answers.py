"""What the release job makes of answers that are not as expected: no pod stays gated because of another."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import msgspec
import pytest

from cluster import wire
from cluster.client import ApiClient
from cluster.clock import Clock
from model import names
from model.errors import ConnectionFailed
from placement import release as subject
from placement.release import release


class Answers(ApiClient):
    """A client whose lists are these bodies, by path, and which takes every pod."""

    def __init__(self, **bodies: bytes) -> None:
        self._bodies = bodies

    async def get_bytes(self, path: str, **_: Any) -> bytes:
        return self._bodies[path.rpartition("/")[2]]

    async def update_for_version(self, path: str, body: Any) -> str:  # noqa: ARG002 - as a client's
        return "10"


def listed(*items: Any) -> bytes:
    return msgspec.json.encode({"metadata": {"resourceVersion": "9"}, "items": items})


def gated(name: str, **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "tenant-a", "uid": name, "creationTimestamp": "2026-03-03T10:00:00Z"}
    return {"metadata": metadata, "spec": {"schedulingGates": [{"name": names.WARM_NODE_GATE}], **spec}}


async def opened(client: Answers) -> list[str]:
    found = await release(client, Clock(), everything=False, dry_run=True)
    return [item.name for item in found if item.outcome == "would-open"]


async def test_an_answer_that_is_no_json_is_an_error_with_a_sentence() -> None:
    with pytest.raises(ConnectionFailed, match="is this a Kubernetes API server"):
        await opened(Answers(pods=b"<html>", tenantprofiles=listed()))


async def test_a_pod_that_cannot_be_read_is_passed_over() -> None:
    odd = gated("odd", priority="high")
    assert await opened(Answers(pods=listed(odd, gated("sound")), tenantprofiles=listed())) == ["sound"]


@pytest.mark.parametrize("profiles", [b"<html>", listed({"metadata": 7}), listed({"metadata": {"name": "p"}})])
async def test_profiles_that_cannot_be_read_mean_the_default_deadline(profiles: bytes) -> None:
    assert await opened(Answers(pods=listed(gated("sound")), tenantprofiles=profiles)) == ["sound"]


async def released(*pods: dict[str, Any]) -> dict[str, str]:
    """What became of overdue pods, by name."""
    client = Answers(pods=listed(*pods), tenantprofiles=listed())
    return {item.name: item.outcome for item in await release(client, Clock(), everything=False, dry_run=False)}


async def test_a_pod_that_terminates_is_left_to_end_and_the_others_are_opened() -> None:
    going = gated("going")
    going["metadata"]["deletionTimestamp"] = "2026-03-03T10:01:00Z"
    assert await released(going, gated("sound")) == {"sound": "opened"}


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
async def test_a_pod_that_is_finished_has_no_gate_to_open_and_the_others_are_opened(phase: str) -> None:
    assert await released({**gated("over"), "status": {"phase": phase}}, gated("sound")) == {"sound": "opened"}


async def test_a_nominated_pod_whose_gate_is_open_is_nothing_to_release() -> None:
    nominated = {**gated("nominated", schedulingGates=[]), "status": {"nominatedNodeName": "warm"}}
    assert await released(nominated, gated("sound")) == {"sound": "opened"}


@pytest.mark.parametrize("work", ["deadline_of", "GateKeeper.let_through"])
async def test_a_mistake_of_ours_about_one_pod_is_its_failure_alone_and_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, work: str
) -> None:
    done = attrgetter(work)(subject)

    def stumble(*arguments: Any) -> Any:
        if any(isinstance(item, wire.Pod) and item.metadata.name == "odd" for item in arguments):
            raise RuntimeError("stumbled")
        return done(*arguments)

    monkeypatch.setattr(f"placement.release.{work}", stumble)
    assert await released(gated("odd"), gated("sound")) == {"odd": "failed", "sound": "opened"}
    assert "tenant-a/odd stays gated" in caplog.text
