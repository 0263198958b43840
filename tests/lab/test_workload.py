from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.constants import load_constants
from lab.workload import OTHER_NAMESPACE, TENANT_NAMESPACE, Workload, built_in, from_file, profile_of
from model.errors import InvalidInput

CONTAINER = {"name": "agent", "image": "agent:1"}


def pod(name: str = "agent", **members: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, **members},
        "spec": {"containers": [CONTAINER]},
    }


def namespace(name: str, profile: str | None = None) -> dict[str, Any]:
    labels = {"stoker.dev/profile": profile} if profile else {}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def read(directory: Path, *documents: Any) -> Workload:
    return from_text(directory, yaml.safe_dump_all(documents))


def from_text(directory: Path, text: str) -> Workload:
    path = directory / "pods.yaml"
    path.write_text(text, encoding="utf-8")
    return from_file(path, "kata-agents")


def profiles(workload: Workload) -> dict[str, str | None]:
    return {item["metadata"]["name"]: profile_of(item) for item in workload.namespaces}


def test_the_built_in_load_has_the_constants_pods_and_two_namespaces() -> None:
    constants = load_constants()
    workload = built_in(constants, "kata-agents")
    spaces = [item["metadata"]["namespace"] for item in workload.pods]
    load = constants.demo.load
    assert (spaces.count(TENANT_NAMESPACE), spaces.count(OTHER_NAMESPACE)) == (load.tenant_pods, load.other_pods)
    assert profiles(workload) == {TENANT_NAMESPACE: "kata-agents", OTHER_NAMESPACE: None}
    assert workload.tenant_namespaces == {TENANT_NAMESPACE}


def test_the_others_pods_come_between_the_tenants() -> None:
    workload = built_in(load_constants(), "kata-agents")
    runs = [(name, len(list(pods))) for name, pods in groupby(item["metadata"]["namespace"] for item in workload.pods)]
    assert max(length for _, length in runs) <= 4


def test_a_tenants_pod_asks_for_what_the_constants_say() -> None:
    constants = load_constants()
    spec = next(p for p in built_in(constants, "x").pods if p["metadata"]["namespace"] == TENANT_NAMESPACE)["spec"]
    load = constants.demo.load.tenant
    assert spec["runtimeClassName"] == constants.kata.runtime_class
    assert spec["containers"][0]["image"] == constants.images[load.image].reference
    assert spec["containers"][0]["resources"]["requests"] == {"cpu": load.cpu, "memory": load.memory}


@pytest.mark.parametrize(
    "metadata",
    [{"name": "agent"}, {"name": "agent", "namespace": None}, {"name": "agent", "namespace": ""}],
    ids=["absent", "null", "empty"],
)
def test_a_pod_without_a_namespace_goes_to_the_tenant(tmp_path: Path, metadata: dict[str, Any]) -> None:
    workload = read(tmp_path, {**pod(), "metadata": metadata})
    assert [item["metadata"]["namespace"] for item in workload.pods] == [TENANT_NAMESPACE]
    assert TENANT_NAMESPACE in workload.tenant_namespaces


def test_a_namespace_of_the_file_is_taken_with_its_labels(tmp_path: Path) -> None:
    workload = read(tmp_path, namespace("red", "kata-agents"), namespace("blue"), pod(namespace="red"))
    assert {"red": "kata-agents", "blue": None}.items() <= profiles(workload).items()


def test_a_namespace_that_only_a_pod_names_is_made_without_a_profile(tmp_path: Path) -> None:
    assert profiles(read(tmp_path, pod(namespace="green")))["green"] is None


def test_the_file_may_say_what_the_demos_own_namespaces_are(tmp_path: Path) -> None:
    assert profiles(read(tmp_path, namespace(TENANT_NAMESPACE, "mine"), pod()))[TENANT_NAMESPACE] == "mine"


def test_pods_keep_their_order_through_lists(tmp_path: Path) -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": [pod("b"), namespace("red"), pod("a")]}
    workload = read(tmp_path, pod("c"), listed, {"apiVersion": "v1", "kind": "PodList", "items": [pod("d")]})
    assert [item["metadata"]["name"] for item in workload.pods] == ["c", "b", "a", "d"]


def test_a_pods_name_may_be_generated(tmp_path: Path) -> None:
    manifest = {**pod(), "metadata": {"generateName": "agent-"}}
    assert read(tmp_path, manifest).pods[0]["metadata"]["generateName"] == "agent-"


def test_empty_documents_and_empty_lists_are_passed_over(tmp_path: Path) -> None:
    text = f"---\n---\n{yaml.safe_dump(pod())}---\napiVersion: v1\nkind: List\nitems:\n---\n"
    assert len(from_text(tmp_path, text).pods) == 1


@pytest.mark.parametrize(
    ("documents", "complaint"),
    [
        ([], "has no Pod"),
        ([namespace("red")], "has no Pod"),
        (["text"], "document 1: str is neither"),
        ([pod(), {"apiVersion": "apps/v1", "kind": "Deployment"}], "document 2: a Deployment is neither"),
        ([{**pod(), "apiVersion": "v2"}], "neither a Namespace nor a Pod of v1"),
        ([{"apiVersion": "v1", "kind": "List", "items": [3]}], "document 1: int is neither"),
        ([{"apiVersion": "v1", "kind": "List", "items": 3}], "items of the List are not a list"),
        ([{**pod(), "metadata": None}], "the Pod has no metadata"),
        ([{**pod(), "metadata": {}}], r"the Pod has no metadata\.name"),
        ([{**pod(), "metadata": {"name": 7}}], r"metadata\.name of the Pod is no text: 7"),
        ([pod(namespace=7)], r"metadata\.namespace of the Pod is no text: 7"),
        ([{**namespace("red"), "metadata": {"generateName": "red-"}}, pod()], r"the Namespace has no metadata\.name"),
        ([{**namespace("red"), "metadata": {"name": "red", "labels": ["a"]}}, pod()], "labels of the Namespace"),
        ([{**pod("lone"), "spec": None}], "the Pod lone has no spec"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_so(tmp_path: Path, documents: list[Any], complaint: str) -> None:
    with pytest.raises(InvalidInput, match=rf"pods\.yaml.*{complaint}"):
        read(tmp_path, *documents)


def test_a_file_that_is_not_yaml_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"pods\.yaml is not YAML"):
        from_text(tmp_path, "a: [")


def test_a_file_that_is_not_text_is_told_so(tmp_path: Path) -> None:
    path = tmp_path / "pods.yaml"
    path.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(InvalidInput, match="cannot be read"):
        from_file(path, "kata-agents")


def test_a_missing_file_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"none\.yaml cannot be read"):
        from_file(tmp_path / "none.yaml", "kata-agents")
