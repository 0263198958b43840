"""What a profile changes in a pod, one rule at a time."""

from __future__ import annotations

from typing import Any

import pytest

from model.profiles import TenantProfile
from tests.builders import DIGEST, container, pod, profile
from tests.webhook.patching import mutated, operations_for, read_pod
from webhook.mutations import wrong_runtime_class

KATA = profile(runtimeClassName="kata-qemu", runtimeClassPolicy="Enforce")
EVERYTHING = profile(
    runtimeClassName="kata-qemu",
    runtimeClassPolicy="Enforce",
    mutableTags="IfNotPresent",
    tolerations=[{"key": "stoker.dev/tenant", "operator": "Exists", "effect": "NoSchedule"}],
    schedulingGates=["stoker.dev/warm-node"],
    schedulerName="stoker-scheduler",
    architecture={"preferred": "amd64", "policy": "Require"},
)
OWNED_BY_DAEMON_SET = {"ownerReferences": [{"apiVersion": "apps/v1", "kind": "DaemonSet", "controller": True}]}
TO_NODE_BY_FIELD = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}]
        }
    }
}


def kinds(manifest: dict[str, Any], spec: TenantProfile) -> set[str]:
    return {operation.kind for operation in operations_for(manifest, spec)}


@pytest.mark.parametrize("members", [{}, {"runtimeClassName": ""}])
def test_a_pod_without_a_class_gets_the_profiles(members: dict[str, Any]) -> None:
    assert mutated(pod(**members), KATA)["spec"]["runtimeClassName"] == "kata-qemu"


def test_overhead_is_left_to_the_api_server() -> None:
    assert "overhead" not in mutated(pod(), KATA)["spec"]


def test_enforce_refuses_another_class_and_names_all_three() -> None:
    complaint = wrong_runtime_class(read_pod(pod(runtimeClassName="gvisor")), KATA)
    assert complaint is not None
    assert all(word in complaint for word in ("gvisor", "kata-qemu", "kata-agents"))


def test_enforce_takes_a_pod_that_names_the_class_itself() -> None:
    assert wrong_runtime_class(read_pod(pod(runtimeClassName="kata-qemu")), KATA) is None


def test_default_leaves_another_class() -> None:
    lenient = profile(runtimeClassName="kata-qemu", runtimeClassPolicy="Default")
    assert wrong_runtime_class(read_pod(pod(runtimeClassName="gvisor")), lenient) is None
    assert "runtime-class" not in kinds(pod(runtimeClassName="gvisor"), lenient)


@pytest.mark.parametrize(
    ("image", "policy", "mutable_tags", "expected"),
    [
        ("app:v1.2.3", "Always", "Keep", "IfNotPresent"),
        (f"app@{DIGEST}", "Always", "Keep", "IfNotPresent"),
        (f"app:latest@{DIGEST}", "Always", "Keep", "IfNotPresent"),
        (f"app:latest@{DIGEST}", None, "Keep", "IfNotPresent"),
        ("app:latest", "Always", "Keep", "Always"),
        ("app", "Always", "Keep", "Always"),
        ("app:stable", "Always", "Keep", "Always"),
        ("app:latest", "Always", "IfNotPresent", "IfNotPresent"),
        ("app", None, "IfNotPresent", "IfNotPresent"),
        ("app", None, "Keep", None),
        ("app:v1.2.3", None, "Keep", None),
        ("app:stable", None, "IfNotPresent", None),
        ("app:v1.2.3", "Never", "IfNotPresent", "Never"),
        ("app:v1.2.3", "IfNotPresent", "Keep", "IfNotPresent"),
        ("NOT an image", "Always", "IfNotPresent", "Always"),
        ("", "Always", "IfNotPresent", "Always"),
    ],
)
def test_pull_policy(image: str, policy: str | None, mutable_tags: str, expected: str | None) -> None:
    tenant = profile(mutableTags=mutable_tags)
    manifest = pod(
        "p",
        container(image=image, imagePullPolicy=policy),
        initContainers=[container("init", image=image, imagePullPolicy=policy)],
        volumes=[
            {"name": "config", "configMap": {"name": "c"}},
            {"name": "models", "image": {"reference": image, **({"pullPolicy": policy} if policy else {})}},
        ],
    )
    spec = mutated(manifest, tenant)["spec"]
    assert spec["containers"][0].get("imagePullPolicy") == expected
    assert spec["initContainers"][0].get("imagePullPolicy") == expected
    assert spec["volumes"][1]["image"].get("pullPolicy") == expected


def test_keep_leaves_pull_policies() -> None:
    manifest = pod("p", container(imagePullPolicy="Always"))
    assert "image-pull-policy" not in kinds(manifest, profile(imagePullPolicy="Keep"))


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        (None, ["first", "second"]),
        ([], ["first", "second"]),
        ([{"name": "kueue.x-k8s.io/admission"}], ["kueue.x-k8s.io/admission", "first", "second"]),
        ([{"name": "second"}], ["second", "first"]),
    ],
)
def test_missing_gates_are_appended(present: list[dict[str, str]] | None, expected: list[str]) -> None:
    manifest = pod() if present is None else pod(schedulingGates=present)
    gated = mutated(manifest, profile(schedulingGates=["first", "second", "first"]))
    assert [gate["name"] for gate in gated["spec"]["schedulingGates"]] == expected


@pytest.mark.parametrize(
    ("named", "expected"),
    [("default-scheduler", "stoker-scheduler"), ("", "stoker-scheduler"), ("volcano", "volcano")],
)
def test_scheduler_is_named_where_the_author_chose_none(named: str, expected: str) -> None:
    spec = mutated(pod(schedulerName=named), profile(schedulerName="stoker-scheduler"))["spec"]
    assert spec["schedulerName"] == expected


def test_default_scheduler_in_a_profile_changes_nothing() -> None:
    assert "scheduler-name" not in kinds(pod(schedulerName=""), profile(schedulerName="default-scheduler"))


@pytest.mark.parametrize("metadata", [{}, {"annotations": {}}, {"annotations": {"stoker.dev/profile": "admins-own"}}])
def test_annotation_names_the_profile_whatever_the_author_wrote(metadata: dict[str, Any]) -> None:
    patched = mutated(pod(metadata=metadata), KATA)
    assert patched["metadata"]["annotations"]["stoker.dev/profile"] == "kata-agents"


def test_other_annotations_stay() -> None:
    patched = mutated(pod(metadata={"annotations": {"a/b~c": "kept"}}), KATA)
    assert patched["metadata"]["annotations"] == {"a/b~c": "kept", "stoker.dev/profile": "kata-agents"}


def test_a_daemon_sets_pod_gets_the_image_policy_only() -> None:
    manifest = pod(metadata=OWNED_BY_DAEMON_SET, affinity=TO_NODE_BY_FIELD)
    manifest["spec"]["containers"][0]["imagePullPolicy"] = "Always"
    assert kinds(manifest, EVERYTHING) == {"image-pull-policy"}


def test_an_affinity_to_a_nodes_name_alone_exempts_nobody() -> None:
    assert {"runtime-class", "scheduling-gates"} <= kinds(pod(affinity=TO_NODE_BY_FIELD), EVERYTHING)


def test_a_daemon_sets_pod_is_not_refused_for_its_class() -> None:
    assert wrong_runtime_class(read_pod(pod(metadata=OWNED_BY_DAEMON_SET, runtimeClassName="gvisor")), KATA) is None


def test_a_mirror_pod_is_left_alone() -> None:
    manifest = pod(metadata={"annotations": {"kubernetes.io/config.mirror": "hash"}}, nodeName="n1")
    assert operations_for(manifest, EVERYTHING) == []


def test_a_pod_with_a_node_gets_nothing_that_speaks_to_schedulers() -> None:
    manifest = pod("p", container(imagePullPolicy="Always"), nodeName="n1")
    assert kinds(manifest, EVERYTHING) == {"image-pull-policy", "runtime-class", "tolerations", "annotation"}


def test_an_ordinary_pod_gets_everything() -> None:
    manifest = pod("p", container(imagePullPolicy="Always"))
    assert kinds(manifest, EVERYTHING) == {
        *("image-pull-policy", "runtime-class", "tolerations", "annotation"),
        *("scheduling-gates", "scheduler-name", "architecture"),
    }


def test_a_pod_whose_containers_are_null_is_left_for_validation() -> None:
    manifest = pod()
    manifest["spec"]["containers"] = None
    assert mutated(manifest, EVERYTHING)["spec"]["runtimeClassName"] == "kata-qemu"
