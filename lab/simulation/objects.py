"""The objects that a fleet puts into the API beside its Nodes and Pods."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from lab.constants import Constants
from lab.simulation.report import DEPLOY_LABEL
from model.names import KATA_DEPLOY, KATA_LABEL

RUNTIME_CLASSES: Final = "/apis/node.k8s.io/v1/runtimeclasses"
DAEMON_SETS: Final = "/apis/apps/v1/namespaces/kube-system/daemonsets"
LEASES: Final = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


def runtime_class(constants: Constants, *, selects_label: bool = False) -> dict[str, Any]:
    """The Kata class, without a nodeSelector where pods are to be bound to nodes before Kata is there."""
    kata = constants.kata
    scheduling = {"scheduling": {"nodeSelector": {KATA_LABEL: "true"}}} if selects_label else {}
    return {
        "apiVersion": "node.k8s.io/v1",
        "kind": "RuntimeClass",
        "metadata": {"name": kata.runtime_class},
        "handler": kata.runtime_class,
        "overhead": {"podFixed": {"cpu": kata.overhead_cpu, "memory": kata.overhead_memory}},
        **scheduling,
    }


def daemon_set(constants: Constants) -> dict[str, Any]:
    """kata-deploy, on the nodes that are labelled for it."""
    labels = {"name": KATA_DEPLOY}
    container = {
        "name": "kube-kata",
        "image": constants.images[constants.kata.image].reference,
        "imagePullPolicy": "IfNotPresent",
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": KATA_DEPLOY, "namespace": "kube-system", "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "nodeSelector": {DEPLOY_LABEL: "true"},
                    "tolerations": [{"operator": "Exists"}],
                    "priorityClassName": "system-node-critical",
                    "containers": [container],
                },
            },
        },
    }


def lease(node: str, seconds: int) -> dict[str, Any]:
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": node, "namespace": "kube-node-lease"},
        "spec": {"holderIdentity": node, "leaseDurationSeconds": seconds, "renewTime": micro_time()},
    }


def micro_time() -> str:
    """Now, as Leases write times."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def labelled_by_kata_deploy(timestamp: str) -> dict[str, Any]:
    """A merge patch of a Node after which managedFields say that kata-deploy set its label at that time.

    The API server takes entries that a client writes, times too, as long as the same request changes nothing else.
    """
    entry = {
        "manager": KATA_DEPLOY,
        "operation": "Update",
        "apiVersion": "v1",
        "time": timestamp,
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:metadata": {"f:labels": {f"f:{KATA_LABEL}": {}}}},
    }
    return {"metadata": {"managedFields": [entry]}}
