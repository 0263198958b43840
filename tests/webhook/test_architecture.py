"""Architecture: preferred or required, unless the pod's author has spoken about it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import pod, profile
from tests.webhook.patching import mutated, operations_for, read_pod
from webhook.architecture import conflicts_with_architecture

ARCH = "kubernetes.io/arch"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFER = profile(architecture={"preferred": "amd64", "policy": "Prefer"})
REQUIRE = profile(architecture={"preferred": "amd64", "policy": "Require"})
IGNORE = profile(architecture={"preferred": "amd64", "policy": "Ignore"})


def expression(operator: str = "In", *values: str, key: str = ARCH) -> dict[str, Any]:
    return {"key": key, "operator": operator, **({"values": list(values)} if values else {})}


def required(*terms: list[dict[str, Any]]) -> dict[str, Any]:
    return {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": term} for term in terms]}}}


def preferred(*expressions: dict[str, Any]) -> dict[str, Any]:
    return {"nodeAffinity": {PREFERRED: [{"weight": 1, "preference": {"matchExpressions": list(expressions)}}]}}


TERM = {"weight": 100, "preference": {"matchExpressions": [expression("In", "amd64")]}}
ZONE = expression("In", "a", key="topology.kubernetes.io/zone")


@pytest.mark.parametrize(
    "affinity",
    [
        None,
        {},
        {"podAffinity": {}},
        {"nodeAffinity": {}},
        {"nodeAffinity": {PREFERRED: []}},
        preferred(ZONE),
        required([ZONE]),
    ],
)
def test_prefer_adds_one_term_of_the_greatest_weight(affinity: dict[str, Any] | None) -> None:
    manifest = pod() if affinity is None else pod(affinity=affinity)
    patched = mutated(manifest, PREFER)["spec"]["affinity"]
    assert patched["nodeAffinity"][PREFERRED][-1] == TERM
    assert {**patched, "nodeAffinity": None} == {**(affinity or {}), "nodeAffinity": None}


@pytest.mark.parametrize(
    "members",
    [
        {"nodeSelector": {ARCH: "arm64"}},
        {"affinity": required([expression("Exists")])},
        {"affinity": preferred(expression("NotIn", "arm64"))},
        {"nodeName": "n1"},
    ],
)
def test_prefer_leaves_a_pod_whose_author_has_spoken(members: dict[str, Any]) -> None:
    assert "architecture" not in {item.kind for item in operations_for(pod(**members), PREFER)}


@pytest.mark.parametrize("selector", [None, {}, {"disk": "fast"}])
def test_require_adds_to_the_node_selector(selector: dict[str, str] | None) -> None:
    manifest = pod() if selector is None else pod(nodeSelector=selector)
    assert mutated(manifest, REQUIRE)["spec"]["nodeSelector"] == {**(selector or {}), ARCH: "amd64"}


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"nodeSelector": {ARCH: "arm64"}}, True),
        ({"nodeSelector": {ARCH: "amd64"}}, False),
        ({"affinity": required([expression("In", "arm64")])}, True),
        ({"affinity": required([expression("In", "arm64", "amd64")])}, False),
        ({"affinity": required([expression("In", "arm64")], [ZONE])}, False),
        ({"affinity": required([expression("NotIn", "amd64")])}, True),
        ({"affinity": required([expression("DoesNotExist")])}, True),
        ({"affinity": required([expression("Exists"), ZONE])}, False),
        ({"affinity": preferred(expression("In", "arm64"))}, False),
        ({}, False),
    ],
)
def test_a_requirement_that_could_be_met_nowhere_is_left_out(members: dict[str, Any], expected: bool) -> None:
    manifest = pod(**members)
    assert conflicts_with_architecture(read_pod(manifest), REQUIRE.spec) is expected
    if expected:
        assert "architecture" not in {item.kind for item in operations_for(manifest, REQUIRE)}


def test_ignore_adds_nothing() -> None:
    assert "architecture" not in {item.kind for item in operations_for(pod(), IGNORE)}
