"""Thousands of Nodes that nobody runs: they are ready, have all of Kata, and report fifty images each.

Without kube-controller-manager nobody waits for their heartbeats. A tenth of them have the tenant's images: nodes that
a scheduler which looks at a sample sees in proportion, and that Stoker names.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from cluster.client import ApiClient
from lab.constants import Constants
from model.names import ARCHITECTURE_LABEL

NODES: Final = "/api/v1/nodes"
CONNECTIONS: Final = 32
IMAGES_PER_NODE: Final = 50
OTHER_IMAGES: Final = 5_000
"""All nodes' together: teams build their own, and a fleet's nodes have few in common."""

WARM_EVERY: Final = 10
"""Each tenth node has the tenant's images."""

ARCHITECTURE: Final = "amd64"


@dataclass(frozen=True, slots=True)
class _Image:
    reference: str
    size_bytes: int

    def as_json(self) -> dict[str, Any]:
        """As a kubelet lists it: the digest first, then the tag."""
        digest = hashlib.sha256(self.reference.encode()).hexdigest()
        repository = self.reference.rpartition(":")[0]
        return {"names": [f"{repository}@sha256:{digest}", self.reference], "sizeBytes": self.size_bytes}


def is_warm(index: int) -> bool:
    return index % WARM_EVERY == 0


def other_image(number: int) -> str:
    """One of those that the nodes have at random."""
    number %= OTHER_IMAGES
    return f"registry.example/team-{number % 40}/service-{number}:1.{number}"


def new_image(number: int) -> dict[str, Any]:
    """One that no node has had, as a kubelet lists it; smaller than what the nodes have from the beginning."""
    return _Image(f"registry.example/releases/service-{number % 40}:2.{number}", 10**6 + number).as_json()


def node_name(index: int) -> str:
    return f"node-{index:05}"


async def create_nodes(client: ApiClient, constants: Constants, count: int) -> None:
    """Create them, and take off the taint with which the API server registers every node."""
    slots = asyncio.Semaphore(CONNECTIONS)

    async def create(node: dict[str, Any]) -> None:
        async with slots:
            await client.create(NODES, node)
            await client.patch_for_version(f"{NODES}/{node['metadata']['name']}", {"spec": {"taints": None}})

    await asyncio.gather(*map(create, node_objects(constants, count)))


def node_objects(constants: Constants, count: int) -> Iterator[dict[str, Any]]:
    """Always the same ones."""
    draw = random.Random(constants.seed)  # noqa: S311 - a fleet to measure on, nothing to guard
    tenant = [_tenants_image(constants, name) for name in _tenants(constants)]
    others = [_Image(other_image(number), draw.randrange(10**7, 10**9)) for number in range(OTHER_IMAGES)]
    for index in range(count):
        own = tenant if is_warm(index) else []
        images = [*own, *draw.sample(others, IMAGES_PER_NODE - len(own))]
        yield _node(index, images, constants.kata.runtime_class)


def _tenants(constants: Constants) -> tuple[str, ...]:
    load = constants.demo.load.tenant
    return load.image, load.init_image


def _tenants_image(constants: Constants, name: str) -> _Image:
    image = constants.images[name]
    return _Image(image.reference, image.bytes[ARCHITECTURE])


def _node(index: int, images: list[_Image], handler: str) -> dict[str, Any]:
    name = node_name(index)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    times = {"lastHeartbeatTime": now, "lastTransitionTime": now}
    room = {"cpu": "28", "memory": "128Gi", "pods": "110", "ephemeral-storage": "500Gi"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                ARCHITECTURE_LABEL: ARCHITECTURE,
                "topology.kubernetes.io/region": "us-west-2",
                "topology.kubernetes.io/zone": f"us-west-2{'abc'[index % 3]}",
            },
        },
        "status": {
            "capacity": room,
            "allocatable": room,
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", **times}],
            "images": [image.as_json() for image in sorted(images, key=lambda item: -item.size_bytes)],
            "runtimeHandlers": [{"name": word} for word in ("", "runc", handler)],
            "nodeInfo": {**_INFO, "architecture": ARCHITECTURE},
        },
    }


_INFO: Final = dict.fromkeys(
    (
        *("machineID", "systemUUID", "bootID", "kernelVersion", "osImage"),
        *("containerRuntimeVersion", "kubeletVersion", "kubeProxyVersion", "operatingSystem"),
    ),
    "",
)
