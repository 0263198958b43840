"""What a kubelet tells the API of its node."""

from __future__ import annotations

from typing import Any

from lab.fleets import zone_of
from lab.physical import Report
from lab.simulation.clock import Clock
from lab.simulation.nodes import DEFAULT_HANDLERS, SimulatedNode
from model.names import ARCHITECTURE_LABEL, KATA_LABEL

KUBELET_VERSION = "v1.36.3"
CONTAINERD_VERSION = "containerd://2.4.2"
DEPLOY_LABEL = "lab.stoker.dev/kata-deploy"
"""On nodes that kata-deploy's DaemonSet selects."""

RESTARTED_ANNOTATION = "lab.stoker.dev/containerd-restarted-at"
"""On a node: the true moment of containerd's last restart, in wall seconds of the epoch with a fraction."""

ZONE_LABEL = "topology.kubernetes.io/zone"

_PRESSURES = (
    ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
)


def node_object(node: SimulatedNode, report: Report, clock: Clock) -> dict[str, Any]:
    """The Node as it registers."""
    labels = {
        "kubernetes.io/hostname": node.name,
        "kubernetes.io/os": "linux",
        ARCHITECTURE_LABEL: node.architecture,
        "node.kubernetes.io/instance-type": node.group.instance_type,
        "topology.kubernetes.io/region": "us-west-2",
        ZONE_LABEL: zone_of(node.index),
    }
    if node.kata_wanted:
        labels[DEPLOY_LABEL] = "true"
        labels[KATA_LABEL] = "false" if node.installed_at is None else "true"
    taints = [{"key": node.startup_taint, "effect": "NoSchedule"}] if node.startup_taint else []
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": node.name,
            "labels": labels,
            "annotations": {RESTARTED_ANNOTATION: f"{clock.unix(node.restarted_at):.3f}"},
        },
        "spec": {"providerID": f"lab:///{node.name}", "taints": taints},
        "status": {**_machine(node), **conditions(node, clock), **contents(node, report, clock.now())},
    }


def contents(node: SimulatedNode, report: Report, now: float) -> dict[str, Any]:
    """The fields of the status that follow what is installed on the node."""
    return {"images": reported_images(node, report, now), "runtimeHandlers": reported_handlers(node, now)}


def conditions(node: SimulatedNode, clock: Clock) -> dict[str, Any]:
    """The node's conditions as of now; every one of them counts as changed now."""
    if node.ready:
        ready = {"status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status"}
    else:
        ready = {"status": "False", "reason": "KubeletNotReady", "message": "container runtime network not ready"}
    stated = [
        *({"type": kind, "status": "False", "reason": word, "message": text} for kind, word, text in _PRESSURES),
        {"type": "Ready", **ready},
    ]
    now = clock.timestamp(clock.now())
    return {"conditions": [{**condition, "lastHeartbeatTime": now, "lastTransitionTime": now} for condition in stated]}


def reported_images(node: SimulatedNode, report: Report, now: float) -> list[dict[str, Any]]:
    """The largest images first, cut off at the limit; each under a limited number of names, digests before tags."""
    contents = {present.content for present in node.images.values() if present.reported_from <= now}
    largest = sorted(contents, key=lambda content: (-content.size_bytes, content.names))[: report.image_limit]
    return [
        {"names": list(content.names[: report.names_per_image]), "sizeBytes": content.size_bytes} for content in largest
    ]


def reported_handlers(node: SimulatedNode, now: float) -> list[dict[str, Any]]:
    names = list(DEFAULT_HANDLERS)
    if node.installed_at is not None and node.handlers_reported_at <= now:
        names.extend(node.kata_handlers)
    return [
        {"name": name, "features": {"recursiveReadOnlyMounts": True, "userNamespaces": name in DEFAULT_HANDLERS}}
        for name in names
    ]


def _machine(node: SimulatedNode) -> dict[str, Any]:
    resources = {"cpu": node.group.cpu, "memory": node.group.memory, "pods": str(node.group.pods)}
    resources |= {"ephemeral-storage": "500Gi"}
    return {
        "capacity": resources,
        "allocatable": resources,
        "addresses": [
            {"type": "InternalIP", "address": node.address},
            {"type": "Hostname", "address": node.name},
        ],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        "nodeInfo": {
            "architecture": node.architecture,
            "bootID": f"boot-{node.name}",
            "containerRuntimeVersion": CONTAINERD_VERSION,
            "kernelVersion": "6.12.63",
            "kubeProxyVersion": "",
            "kubeletVersion": KUBELET_VERSION,
            "machineID": f"machine-{node.name}",
            "operatingSystem": "linux",
            "osImage": "Amazon Linux 2023",
            "systemUUID": f"system-{node.name}",
        },
    }
