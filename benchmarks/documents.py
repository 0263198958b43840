"""Objects as the API server hands them out: with what it adds at creation, and with everybody's managedFields."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from benchmarks.load import NUMBER
from lab.workload import TENANT_NAMESPACE
from model import names

CREATED: Final = "2026-01-01T00:00:00Z"
PROFILE: Final = "kata-agents"
REVIEWED_POD_BYTES: Final = 20_000

NAMESPACES: Final = 2_000
PODS_PER_SET: Final = 4
"""Running pods are those of StatefulSets, which are spread over the namespaces."""

_MANAGERS: Final = ("kubelet", "kube-controller-manager", "kubectl")
_TOLERATED: Final = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


def stored(document: dict[str, Any], version: str) -> dict[str, Any]:
    """The object with what every stored one has."""
    name = document["metadata"]["name"]
    metadata = {
        "uid": _uid(name),
        "resourceVersion": version,
        "creationTimestamp": CREATED,
        **document["metadata"],
        "managedFields": [_managed(owner, document) for owner in _MANAGERS],
    }
    return {**document, "metadata": metadata}


def question(images: Sequence[str], nodes: Sequence[str]) -> bytes:
    """ExtenderArgs about a tenant's pod with these images and about these nodes."""
    pod = stored(tenant_pod(f"agent-{NUMBER}", images, NUMBER), "7000")
    return msgspec.json.encode({"Pod": pod, "Nodes": None, "NodeNames": list(nodes)})


def review(size_bytes: int = REVIEWED_POD_BYTES) -> bytes:
    """An AdmissionReview of a new pod of about that size, which knows nothing of Stoker yet."""
    kind = {"group": "", "version": "v1", "kind": "Pod"}
    resource = {"group": "", "version": "v1", "resource": "pods"}
    request = {
        "uid": f"705ab4f5-6393-11e8-b7cc-{NUMBER}",
        "kind": kind,
        "resource": resource,
        "requestKind": kind,
        "requestResource": resource,
        "name": f"agent-{NUMBER}",
        "namespace": TENANT_NAMESPACE,
        "operation": "CREATE",
        "userInfo": {"username": "system:serviceaccount:kube-system:replicaset-controller", "uid": _uid("user")},
        "object": stored(new_pod(size_bytes), ""),
        "oldObject": None,
        "dryRun": False,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
    }
    return msgspec.json.encode({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request})


def new_pod(size_bytes: int) -> dict[str, Any]:
    """As its author writes it and the API server fills it in: Always pulled, with a lot of environment."""
    pod = tenant_pod(f"agent-{NUMBER}", ("registry.example/agents/agent:1.4.2", "registry.example/agents/restore:7"))
    del pod["metadata"]["annotations"][names.PROFILE_ANNOTATION], pod["spec"]["runtimeClassName"]
    environment: list[dict[str, str]] = []
    pod["spec"]["containers"][0]["env"] = environment
    missing = size_bytes - len(msgspec.json.encode(stored(pod, "")))
    while missing > 0:
        entry = {"name": f"SETTING_{len(environment):04}", "value": f'{_uid(str(len(environment)))} "quoted" value'}
        environment.append(entry)
        missing -= len(msgspec.json.encode(entry)) + 1
    return pod


def tenant_pod(name: str, images: Sequence[str], uid: str = "") -> dict[str, Any]:
    """As the webhook has left it and a scheduler gets it; the last of several images is an init container's."""
    main, *initial = images
    spec: dict[str, Any] = {
        "runtimeClassName": "kata-qemu",
        "schedulerName": "default-scheduler",
        "restartPolicy": "Always",
        "dnsPolicy": "ClusterFirst",
        "terminationGracePeriodSeconds": 30,
        "serviceAccountName": "default",
        "securityContext": {},
        "enableServiceLinks": True,
        "preemptionPolicy": "PreemptLowerPriority",
        "priority": 0,
        "volumes": [{"name": "workspace", "emptyDir": {}}],
        "tolerations": [
            {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300} for key in _TOLERATED
        ],
        "containers": [_container("agent", main)],
        "initContainers": [_container(f"init-{number}", image) for number, image in enumerate(initial)],
    }
    metadata = {
        "name": name,
        "namespace": TENANT_NAMESPACE,
        "labels": _labels(name, "agent"),
        "annotations": {names.PROFILE_ANNOTATION: PROFILE, "team": "agents"},
        "ownerReferences": [_owner("agent")],
        **({"uid": uid} if uid else {}),
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": {"phase": "Pending"}}


def namespace_name(number: int) -> str:
    return f"team-{number % NAMESPACES:04}"


def namespace(number: int) -> dict[str, Any]:
    """One of those that running pods are in; no profile is its own."""
    name = namespace_name(number)
    metadata = {"name": name, "labels": {"kubernetes.io/metadata.name": name}}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata, "status": {"phase": "Active"}}


def running_pod(number: int, images: Sequence[str], node: str) -> dict[str, Any]:
    """One that runs there, with what a kubelet tells of it; its name and labels are no other's, its owner's a few."""
    of_set, ordinal = divmod(number, PODS_PER_SET)
    name, owner = f"agent-{of_set}-{ordinal}", f"agent-{of_set}"
    pod = tenant_pod(name, images)
    metadata = {"namespace": namespace_name(of_set), "labels": _labels(name, owner), "ownerReferences": [_owner(owner)]}
    pod["metadata"] |= metadata
    pod["spec"]["nodeName"] = node
    running = {"ready": True, "started": True, "restartCount": 0, "state": {"running": {"startedAt": CREATED}}}
    statuses = [
        {
            "name": container["name"],
            "image": container["image"],
            "imageID": f"{container['image']}@sha256:{hashlib.sha256(container['image'].encode()).hexdigest()}",
            "containerID": f"containerd://{_uid(str(number))}",
            **running,
        }
        for container in pod["spec"]["containers"]
    ]
    conditions = [
        {"type": kind, "status": "True", "lastTransitionTime": CREATED, "lastProbeTime": None}
        for kind in ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    ]
    pod["status"] = {
        "phase": "Running",
        "conditions": conditions,
        "hostIP": "10.0.0.1",
        "podIP": "10.1.0.1",
        "startTime": CREATED,
        "containerStatuses": statuses,
        "qosClass": "Burstable",
    }
    return pod


def _labels(name: str, owner: str) -> dict[str, str]:
    """As the controller of StatefulSets puts them on a pod."""
    return {
        "app": owner,
        "apps.kubernetes.io/pod-index": name.rpartition("-")[2],
        "controller-revision-hash": f"{owner}-{_uid(owner)[:8]}",
        "statefulset.kubernetes.io/pod-name": name,
    }


def _owner(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "name": name,
        "uid": _uid(name),
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _container(name: str, image: str) -> dict[str, Any]:
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "Always",
        "resources": {"requests": {"cpu": "250m", "memory": "512Mi"}, "limits": {"memory": "1Gi"}},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "volumeMounts": [{"name": "workspace", "mountPath": "/workspace"}],
    }


def _managed(owner: str, document: dict[str, Any]) -> dict[str, Any]:
    """What a field manager owns, by the real format: one member for each label and each field of the spec."""
    labels: dict[str, Any] = {f"f:{key}": {} for key in document["metadata"].get("labels", {})}
    fields: dict[str, Any] = {f"f:{key}": {} for part in ("spec", "status") for key in document.get(part, {})}
    owned = {"f:metadata": {"f:labels": labels}, "f:status": fields}
    return {
        "manager": owner,
        "operation": "Update",
        "apiVersion": "v1",
        "time": CREATED,
        "fieldsType": "FieldsV1",
        "fieldsV1": owned,
    }


def _uid(text: str) -> str:
    digest = hashlib.sha256(text.encode()).hexdigest()
    return "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:32]))
