"""Lines of watches about nodes, pods and profiles, with much in them that may go wrong."""

from __future__ import annotations

import json
from typing import Any, Final

from model.names import PROFILE_ANNOTATION
from tests.builders import container, pod
from tests.cluster.objects import CREATED, image, node_document
from tests.extender.world import AGENT_IMAGE, KATA


def event(kind: str, subject: dict[str, Any]) -> bytes:
    return json.dumps({"type": kind, "object": subject}).encode()


def node(name: str, **members: Any) -> dict[str, Any]:
    owner: dict[str, Any] = {"f:metadata": {"f:labels": {"f:katacontainers.io/kata-runtime": {}}}}
    metadata = {
        "labels": {"kubernetes.io/arch": "amd64", "katacontainers.io/kata-runtime": "true"},
        "annotations": {"stoker.dev/runtime-restarted-at": CREATED},
        "managedFields": [{"time": CREATED, "fieldsV1": owner}],
        "resourceVersion": "5",
    }
    reported = {"images": [image(AGENT_IMAGE, 1_130_000_000)], "handlers": KATA, "metadata": metadata}
    made = node_document(name, **{**reported, **members})
    return {
        **made,
        "spec": {"taints": [{"key": "stoker.dev/not-warm", "effect": "NoSchedule"}], "unschedulable": False},
    }


def waiting_pod(name: str, **spec: Any) -> dict[str, Any]:
    metadata = {"uid": f"uid-{name}", "creationTimestamp": CREATED, "annotations": {PROFILE_ANNOTATION: "kata-agents"}}
    gates = [{"name": "stoker.dev/warm-node"}]
    made = pod(
        name, container(), metadata=metadata, **{"schedulingGates": gates, "runtimeClassName": "kata-qemu", **spec}
    )
    return {**made, "status": {"phase": "Pending"}}


def bound_pod(name: str) -> dict[str, Any]:
    statuses = [{"name": "agent", "imageID": "docker-pullable://a@b", "state": {"running": {"startedAt": CREATED}}}]
    made = waiting_pod(name, nodeName="n1", schedulingGates=[], overhead={"cpu": "250m"})
    made["metadata"]["labels"] = {"name": "kata-deploy"}
    return {**made, "status": {"phase": "Running", "containerStatuses": statuses, "conditions": []}}


def demanding_pod(name: str) -> dict[str, Any]:
    term = {"topologyKey": "zone", "labelSelector": {"matchLabels": {"a": "b"}, "matchExpressions": []}}
    expression = {"key": "zone", "operator": "In", "values": ["a"]}
    return waiting_pod(
        name,
        affinity={
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [{"matchExpressions": [expression]}]
                },
                "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 5, "preference": {"matchFields": []}}],
            },
            "podAntiAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": [term],
                "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 7, "podAffinityTerm": term}],
            },
        },
        topologySpreadConstraints=[{"topologyKey": "zone", "maxSkew": 2, "whenUnsatisfiable": "ScheduleAnyway"}],
        tolerations=[{"key": "a", "operator": "Exists"}],
        initContainers=[container("init", restartPolicy="Always", resources={"requests": {"cpu": "500m"}})],
        volumes=[{"name": "v", "image": {"reference": "m:v1"}}, {"name": "w", "persistentVolumeClaim": {}}],
    )


SPEC: Final = {
    "runtimeClassName": "kata-qemu",
    "imagePullPolicy": "Keep",
    "tolerations": [{"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}],
    "schedulingGates": ["stoker.dev/warm-node"],
    "maxHoldSeconds": 60,
    "schedulerName": "stoker-scheduler",
    "architecture": {"preferred": "arm64", "policy": "Require"},
    "peerPods": {"enabled": True, "instanceType": "t3.small"},
    "startup": {"applicationSeconds": {"amd64": 33}, "pullMegabytesPerSecond": 32, "parallelImagePulls": True},
    "settleSeconds": 20,
}
NODE_EVENTS: Final = (
    event("ADDED", node("n1")),
    event("MODIFIED", node("n2", handlers=None, images=[image(f"i{number}:v1") for number in range(50)])),
    event("DELETED", node("n3", ready="Unknown", allocatable={"cpu": "4", "memory": "8Gi", "pods": "110"})),
)
POD_EVENTS: Final = (
    event("ADDED", waiting_pod("p1")),
    event("MODIFIED", bound_pod("p2")),
    event("ADDED", demanding_pod("p3")),
)
PROFILE_EVENTS: Final = (
    event("ADDED", {"metadata": {"name": "one", "resourceVersion": "3"}, "spec": SPEC}),
    event("MODIFIED", {"metadata": {"name": "two"}, "spec": {"runtimeClassPolicy": "Default"}}),
)
