"""Peer pods: what a pod takes from its node, what sizes its virtual machine, and what of the author's stays."""

from __future__ import annotations

from typing import Any

import pytest

from model.names import PEER_POD_ANNOTATION
from tests.builders import container, pod, profile
from tests.webhook.patching import mutated, operations_for, read_pod
from webhook.advice import advise
from webhook.peerpods import GPU, GPUS, INSTANCE_TYPE, MACHINE_TYPE, MEMORY_MEBIBYTES, VCPUS, VM, is_peer_pod

PEER = profile(runtimeClassName="kata-remote", runtimeClassPolicy="Enforce", peerPods={"enabled": True})
TYPED = profile(runtimeClassName="kata-remote", peerPods={"enabled": True, "instanceType": "t3.small"})
ONE_VM = {"limits": {VM: "1"}, "requests": {VM: "1"}}

Manifest = dict[str, Any]


def asking(name: str = "agent", requests: dict[str, str] | None = None, **limits: str) -> Manifest:
    return asking_for(limits, name, requests)


def asking_for(limits: dict[str, str], name: str = "agent", requests: dict[str, str] | None = None) -> Manifest:
    resources = {"limits": limits, "requests": requests}
    return container(name, resources={key: value for key, value in resources.items() if value})


def sidecar(name: str, **limits: str) -> Manifest:
    """One that Kubernetes knows as such."""
    return {**asking_for(limits, name), "restartPolicy": "Always"}


def told(manifest: Manifest) -> dict[str, str]:
    """Those of the mutated pod, without Stoker's own."""
    found = mutated(manifest, PEER)["metadata"]["annotations"]
    return {name: value for name, value in found.items() if not name.startswith("stoker.dev/")}


def test_a_pod_takes_one_virtual_machine_and_neither_cpu_nor_memory() -> None:
    spec = mutated(pod("p", asking(cpu="2", memory="1Gi"), asking("helper", cpu="1")), PEER)["spec"]
    assert spec["containers"][0]["resources"] == {**ONE_VM, "requests": {VM: "1"}}
    assert spec["containers"][1]["resources"] == {"limits": {}}


def test_a_pod_without_resources_takes_one_virtual_machine_and_says_nothing_of_its_size() -> None:
    manifest = pod("p", container())
    assert mutated(manifest, PEER)["spec"]["containers"][0]["resources"] == ONE_VM
    assert told(manifest) == {}


@pytest.mark.parametrize(
    ("containers", "init_containers", "cpus"),
    [
        ([asking(cpu="2")], [], 2),
        ([asking(cpu="1500m")], [], 2),  # whole ones only: rounded up
        ([asking(cpu="600m"), asking("b", cpu="600m")], [], 2),  # the sum, not each of them
        ([asking(requests={"cpu": "3"})], [], 3),
        ([asking(requests={"cpu": "1"}, cpu="4")], [], 4),
        ([asking(requests={"cpu": "1"}, cpu="4"), asking("b", requests={"cpu": "3"})], [], 7),
        ([asking(cpu="1"), asking("b", cpu="1")], [asking("init", cpu="3")], 3),
        ([asking(cpu="1")], [asking("init", cpu="3"), asking("init-2", cpu="2")], 3),
        ([asking(cpu="2")], [sidecar("mesh", cpu="1")], 3),
        ([asking(cpu="2")], [sidecar("mesh", cpu="1"), asking("init", cpu="3")], 4),  # the two run side by side
        ([asking(cpu="1")], [asking("init", cpu="3"), sidecar("mesh", cpu="1")], 3),  # these do not
    ],
)
def test_virtual_cpus_follow_kubernetes_rule(
    containers: list[Manifest], init_containers: list[Manifest], cpus: int
) -> None:
    assert told(pod("p", *containers, initContainers=init_containers))[VCPUS] == str(cpus)


@pytest.mark.parametrize(
    ("memory", "mebibytes"), [("1Gi", "1024"), ("1G", "954"), ("1", "1"), ("1.5Gi", "1536"), ("100e6", "96")]
)
def test_memory_is_told_in_mebibytes_rounded_up(memory: str, mebibytes: str) -> None:
    assert told(pod("p", asking(memory=memory))) == {MEMORY_MEBIBYTES: mebibytes}


def test_gpus_are_told_and_not_taken_from_the_node() -> None:
    manifest = pod("p", asking_for({GPU: "2"}), asking_for({GPU: "1"}, "b"))
    assert told(manifest) == {GPUS: "3"}
    assert GPU not in str(mutated(manifest, PEER)["spec"])


@pytest.mark.parametrize(
    ("of_pod", "cpus"),
    [
        ({"limits": {"cpu": "4"}}, "4"),
        ({"limits": {"cpu": "4"}, "requests": {"cpu": "1"}}, "4"),
        ({"requests": {"cpu": "3"}}, "3"),
        ({"requests": {"cpu": "1"}}, "2"),  # a container may go beyond it
    ],
)
def test_the_pods_own_figures_come_before_its_containers(of_pod: Manifest, cpus: str) -> None:
    manifest = pod("p", asking(cpu="2"), resources=of_pod)
    assert told(manifest)[VCPUS] == cpus
    assert all(not part for part in mutated(manifest, PEER)["spec"]["resources"].values())


def test_the_classs_overhead_is_added_to_what_is_asked_for_and_stays_in_the_pod() -> None:
    manifest = pod("p", asking(cpu="2"), overhead={"cpu": "250m", "memory": "120Mi"})
    assert told(manifest) == {VCPUS: "3"}
    assert mutated(manifest, PEER)["spec"]["overhead"] == {"cpu": "250m", "memory": "120Mi"}


def test_what_the_virtual_machine_cannot_be_given_is_left_to_the_node() -> None:
    resources = {"limits": {"cpu": "1", "ephemeral-storage": "1Gi", "example.com/nic": "1"}, "claims": [{"name": "c"}]}
    changed = mutated(pod("p", container(resources=resources)), PEER)["spec"]["containers"][0]["resources"]
    assert changed["limits"] == {"ephemeral-storage": "1Gi", "example.com/nic": "1", VM: "1"}
    assert changed["claims"] == [{"name": "c"}]


def test_a_pod_is_one_virtual_machine_whatever_its_author_asked_for() -> None:
    spec = mutated(pod("p", asking(cpu="1"), asking_for({VM: "2"}, "b")), PEER)["spec"]
    assert [item["resources"]["limits"].get(VM) for item in spec["containers"]] == ["1", None]


def test_annotations_of_the_authors_are_kept() -> None:
    own = {VCPUS: "8", "io.katacontainers.config.agent.trace": "true"}
    found = told(pod("p", asking(cpu="2", memory="1Gi"), metadata={"annotations": own}))
    assert found == {**own, MEMORY_MEBIBYTES: "1024"}


def test_a_number_of_the_authors_stays_after_a_second_look_though_it_is_the_one_of_ours() -> None:
    patched = mutated(pod("p", asking(cpu="2"), metadata={"annotations": {VCPUS: "2"}}), PEER)
    patched["spec"]["containers"].append(asking("late", cpu="2"))
    assert mutated(patched, PEER)["metadata"]["annotations"][VCPUS] == "2"


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({}, {MACHINE_TYPE: "t3.small", INSTANCE_TYPE: "t3.small"}),
        ({MACHINE_TYPE: "c5.xlarge"}, {MACHINE_TYPE: "c5.xlarge"}),
        ({INSTANCE_TYPE: "c5.xlarge"}, {INSTANCE_TYPE: "c5.xlarge"}),
    ],
)
def test_the_instance_type_is_the_profiles_where_the_author_names_none(
    own: dict[str, str], expected: dict[str, str]
) -> None:
    found = mutated(pod(metadata={"annotations": own}), TYPED)["metadata"]["annotations"]
    assert {name: value for name, value in found.items() if name in (MACHINE_TYPE, INSTANCE_TYPE)} == expected


def test_a_limit_range_that_fills_in_again_does_not_shrink_the_virtual_machine() -> None:
    patched = mutated(pod("p", asking(cpu="4", memory="8Gi")), PEER)
    for member in ("limits", "requests"):
        patched["spec"]["containers"][0]["resources"][member] |= {"cpu": "500m", "memory": "256Mi"}
    again = mutated(patched, PEER)
    assert again["metadata"]["annotations"][VCPUS] == "4"
    assert again["spec"]["containers"][0]["resources"] == ONE_VM


@pytest.mark.parametrize(
    "forged",
    ["", "no JSON", "[]", '{"x":1}', '{"containers":{"agent":{"limits":{"cpu":"lots"}}}}', '{"x":' + "[" * 9_999],
)
def test_a_record_that_is_none_is_replaced(forged: str) -> None:
    clean = mutated(pod("p", asking(cpu="2")), PEER)
    assert mutated(pod("p", asking(cpu="2"), metadata={"annotations": {PEER_POD_ANNOTATION: forged}}), PEER) == clean


@pytest.mark.parametrize("resources", [{"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}, {"limits": {"cpu": "-1"}}])
def test_what_the_api_server_is_going_to_refuse_is_left_for_it_to_see(resources: Manifest) -> None:
    manifest = pod("p", container(resources=resources))
    assert mutated(manifest, PEER)["spec"]["containers"][0]["resources"] == resources


@pytest.mark.parametrize(
    ("named", "wanted", "is_one"),
    [
        (None, "kata-remote", True),
        ("", "kata-remote", True),
        ("kata-remote", "kata-remote", True),
        ("gvisor", "kata-remote", False),
        ("kata-remote", None, True),
        (None, None, False),
    ],
)
def test_a_pod_of_another_class_is_no_peer_pod(named: str | None, wanted: str | None, is_one: bool) -> None:
    tenant = profile(runtimeClassPolicy="Default", runtimeClassName=wanted, peerPods={"enabled": True})
    assert is_peer_pod(read_pod(pod(runtimeClassName=named)), tenant.spec) == is_one


def test_nothing_moves_where_the_profile_does_not_say_so() -> None:
    assert "peer-pod" not in {item.kind for item in operations_for(pod("p", asking(cpu="2")), profile())}


def test_a_daemon_sets_pod_keeps_its_resources() -> None:
    owner = {"ownerReferences": [{"kind": "DaemonSet", "controller": True}]}
    assert operations_for(pod("p", asking(cpu="2"), metadata=owner), PEER) == []


def test_huge_pages_are_warned_of() -> None:
    manifest = pod("p", asking_for({"cpu": "1", "hugepages-2Mi": "4Mi"}))
    assert "huge-pages" in {item.kind for item in advise(read_pod(manifest), PEER)}
    assert "huge-pages" not in {item.kind for item in advise(read_pod(manifest), profile())}
