"""The CRD against the real API server: it must refuse what the model refuses, and store what the model reads."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lab.controlplane import ControlPlane
from manifests.loader import ROOT, load
from model.errors import InvalidProfile, LabError
from model.names import API_VERSION
from model.profiles import TenantProfile

pytestmark = pytest.mark.controlplane

CLASS = {"runtimeClassName": "kata-qemu"}
TOLERATION = {"key": "stoker.dev/tenant", "operator": "Exists"}


def manifest(spec: Any, name: str = "tried") -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": "TenantProfile", "metadata": {"name": name}, "spec": spec}


async def stored(control_plane: ControlPlane, spec: Any, name: str = "tried") -> dict[str, Any]:
    """What the API server would store; LabError with its message where it refuses."""
    answer = await control_plane.kubectl(
        *("create", "--dry-run=server", "--output=json", "--filename=-"), stdin=json.dumps(manifest(spec, name))
    )
    result: dict[str, Any] = json.loads(answer)
    return result


REFUSED: list[tuple[Any, str]] = [
    ({}, "runtimeClassPolicy Enforce needs a runtimeClassName; name one, or use Default"),
    (
        CLASS | {"tolerations": [TOLERATION | {"value": "a"}]},
        "a toleration with operator Exists has no value; remove the value or use Equal",
    ),
    (CLASS | {"tolerations": [{"value": "a"}]}, "a toleration without a key needs operator Exists"),
    (
        CLASS | {"tolerations": [TOLERATION | {"tolerationSeconds": 5}]},
        "tolerationSeconds goes with effect NoExecute only",
    ),
    (CLASS | {"tolerations": [TOLERATION] * 65}, "must have at most 64 items"),
    (CLASS | {"tolerations": [TOLERATION | {"operator": "Lt"}]}, 'supported values: "Exists", "Equal"'),
    (CLASS | {"runtimeClassPolicy": "Maybe"}, 'supported values: "Enforce", "Default"'),
    (CLASS | {"imagePullPolicy": "Always"}, 'supported values: "IfNotPresent", "Keep"'),
    (CLASS | {"mutableTags": "Never"}, 'supported values: "Keep", "IfNotPresent"'),
    ({"runtimeClassName": "Kata"}, "spec.runtimeClassName in body should match"),
    ({"runtimeClassName": ""}, "spec.runtimeClassName in body should be at least 1 chars long"),
    ({"runtimeClassName": "k" * 254}, "may not be more than 253"),
    (CLASS | {"schedulerName": "a scheduler"}, "spec.schedulerName in body should match"),
    (CLASS | {"schedulingGates": ["a/b/c"]}, "spec.schedulingGates[0] in body should match"),
    (CLASS | {"schedulingGates": ["gate"] * 17}, "must have at most 16 items"),
    (CLASS | {"maxHoldSeconds": -1}, "should be greater than or equal to 0"),
    (CLASS | {"settleSeconds": 86_401}, "should be less than or equal to 86400"),
    (CLASS | {"settleSeconds": "20s"}, "must be of type integer"),
    (CLASS | {"settleSeconds": 1.5}, "must be of type integer"),
    (CLASS | {"architecture": {"policy": "Hope"}}, 'supported values: "Prefer", "Require", "Ignore"'),
    (CLASS | {"architecture": {"preferred": "x86-64"}}, "spec.architecture.preferred in body should match"),
    (CLASS | {"peerPods": {"enabled": "perhaps"}}, "must be of type boolean"),
    (CLASS | {"peerPods": {"instanceType": "t3 small"}}, "spec.peerPods.instanceType in body should match"),
    (CLASS | {"startup": {"pullMegabytesPerSecond": 0}}, "should be greater than or equal to 1"),
    (CLASS | {"startup": {"applicationSeconds": {"x86-64": 1}}}, "each key has at most 63 characters and matches"),
    (CLASS | {"startup": {"applicationSeconds": {"a" * 64: 1}}}, "each key has at most 63 characters and matches"),
    (CLASS | {"startup": {"applicationSeconds": {"amd64": -1}}}, "should be greater than or equal to 0"),
    (CLASS | {"settleMinutes": 1}, 'unknown field "spec.settleMinutes"'),
    (CLASS | {"startup": {"bootSeconds": 20}}, 'unknown field "spec.startup.bootSeconds"'),
    (None, "spec: Required value"),
]


@pytest.mark.parametrize(("spec", "complaint"), REFUSED)
async def test_the_api_server_refuses_with_a_message_what_the_model_refuses(
    installed: ControlPlane, spec: Any, complaint: str
) -> None:
    with pytest.raises(InvalidProfile):
        TenantProfile.from_spec("tried", spec)
    with pytest.raises(LabError) as caught:
        await stored(installed, spec)
    assert complaint in str(caught.value)


ACCEPTED: list[dict[str, Any]] = [
    CLASS,
    {"runtimeClassPolicy": "Default"},
    CLASS | {"tolerations": [TOLERATION, {"operator": "Exists"}, {"key": "a", "value": "b", "effect": "NoSchedule"}]},
    CLASS | {"tolerations": [{"key": "a", "effect": "NoExecute", "tolerationSeconds": 0}]},
    CLASS | {"schedulingGates": ["stoker.dev/warm-node"], "maxHoldSeconds": 0},
    CLASS | {"architecture": {}, "peerPods": {}, "startup": {}},
    CLASS | {"peerPods": {"enabled": True, "instanceType": "Standard_DC2as_v5"}},
    CLASS | {"architecture": {"policy": "Ignore"}, "startup": {"applicationSeconds": {}}},
    CLASS | {"startup": {"applicationSeconds": {"s390x": 86_400}, "sandboxSeconds": 0}},
    *(item["spec"] for item in load("samples") if item["kind"] == "TenantProfile"),
]


@pytest.mark.parametrize("spec", ACCEPTED)
async def test_what_the_api_server_stores_is_for_the_model_what_was_sent(
    installed: ControlPlane, spec: dict[str, Any]
) -> None:
    answer = await stored(installed, spec)
    assert TenantProfile.from_spec("tried", answer["spec"]) == TenantProfile.from_spec("tried", spec)


async def test_the_api_server_fills_in_every_default_of_the_model(installed: ControlPlane) -> None:
    answer = await stored(installed, CLASS)
    expected = TenantProfile.from_spec("tried", CLASS).spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert answer["spec"] == expected


async def test_a_name_too_long_for_a_label_is_refused(installed: ControlPlane) -> None:
    await stored(installed, CLASS, "p" * 63)
    with pytest.raises(LabError, match="a label's value has at most 63 characters; choose a shorter name"):
        await stored(installed, CLASS, "p" * 64)


async def test_what_was_learned_is_kept_in_the_status_whatever_its_shape(installed: ControlPlane) -> None:
    await installed.kubectl("create", "--filename=-", stdin=json.dumps(manifest(CLASS, "learning")))
    learned = {"applicationSeconds": {"amd64": {"mean": 31.5, "starts": 7}}}
    answer = await installed.kubectl(
        *("patch", "tprof", "learning", "--subresource=status", "--type=merge", "--output=json"),
        f"--patch={json.dumps({'status': {'learned': learned}})}",
    )
    assert json.loads(answer)["status"] == {"learned": learned}


async def test_the_sample_is_applied_and_listed_with_its_columns(installed: ControlPlane) -> None:
    await installed.kubectl("apply", "-k", str(ROOT / "samples"))
    heading, row = (await installed.kubectl("get", "tprof", "kata-agents", "--output=wide")).splitlines()
    assert heading.split() == ["NAME", "CLASS", "POLICY", "ARCHITECTURE", "SCHEDULER", "GATES", "AGE"]
    gates = '["stoker.dev/warm-node"]'
    assert row.split()[:-1] == ["kata-agents", "kata-qemu", "Enforce", "amd64", "stoker-scheduler", gates]
