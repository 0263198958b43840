from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from lab.comparison import mutations


def stored(suffix: str = "abcde") -> dict[str, Any]:
    """A pod as the API server stores it; `suffix` is what it made anew for this object."""
    token = f"kube-api-access-{suffix}"
    mount = {"name": token, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}
    return {
        "metadata": {
            "name": f"agent-{suffix}",
            "generateName": "agent-",
            "namespace": "tenant-a",
            "uid": suffix,
            "resourceVersion": suffix,
            "creationTimestamp": suffix,
            "generation": 1,
            "managedFields": [{"time": suffix}],
            "labels": {"app": "agent"},
        },
        "spec": {
            "schedulerName": "default-scheduler",
            "tolerations": [{"key": "a"}, {"key": "b"}],
            "containers": [{"name": "agent", "imagePullPolicy": "Always", "volumeMounts": [mount]}],
            "volumes": [{"name": token, "projected": {"defaultMode": 420}}],
        },
    }


def changed(path: list[Any], value: Any) -> dict[str, Any]:
    """The pod with another value at `path`; None takes the member away."""
    pod = deepcopy(stored())
    at: Any = pod
    for key in path[:-1]:
        at = at[key]
    if value is None:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return pod


def test_what_is_made_anew_for_each_object_is_no_mutation() -> None:
    assert mutations(stored("abcde"), stored("vwxyz")) == []


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (["spec", "schedulerName"], "stoker-scheduler", ["spec.schedulerName"]),
        (["spec", "schedulerName"], None, ["spec.schedulerName"]),
        (["spec", "affinity"], {"nodeAffinity": {}}, ["spec.affinity"]),
        (["spec", "tolerations", 1], {"key": "c"}, ["spec.tolerations[1].key"]),
        (["spec", "tolerations"], [{"key": "a"}], ["spec.tolerations"]),
        (["spec", "containers", 0, "imagePullPolicy"], "IfNotPresent", ["spec.containers[0].imagePullPolicy"]),
        (["spec", "volumes", 0, "projected", "defaultMode"], 511, ["spec.volumes[0].projected.defaultMode"]),
        (["spec", "volumes", 0, "name"], "another-volume", ["spec.volumes[0].name"]),
        (["metadata", "annotations"], {"a": "b"}, ["metadata.annotations"]),
        (["metadata", "labels", "app"], "web", ["metadata.labels.app"]),
        (["metadata", "labels", "mesh"], "yes", ["metadata.labels.mesh"]),
    ],
)
def test_a_mutation_is_told_by_its_path(path: list[Any], value: Any, expected: list[str]) -> None:
    assert mutations(stored(), changed(path, value)) == expected


def test_every_mutation_is_told() -> None:
    other = changed(["spec", "schedulerName"], "stoker-scheduler")
    other["metadata"]["annotations"] = {"stoker.dev/profile": "kata-agents"}
    assert mutations(stored(), other) == ["metadata.annotations", "spec.schedulerName"]
