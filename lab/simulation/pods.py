"""Pods as a simulated kubelet reads them from the watch."""

from __future__ import annotations

from typing import Final

import msgspec

from cluster import wire

CREATED_ANNOTATION: Final = "lab.stoker.dev/created-at"
"""On a pod, by whoever created it: the wall time of that, in seconds of the epoch with a fraction."""


class _Wire(msgspec.Struct, rename="camel", frozen=True):
    pass


class Metadata(wire.Metadata):
    generation: int = 0


class Container(_Wire, frozen=True):
    name: str
    image: str = ""
    image_pull_policy: str = ""
    restart_policy: str | None = None


class ImageSource(_Wire, frozen=True):
    reference: str = ""
    pull_policy: str = ""


class Volume(_Wire, frozen=True):
    name: str
    image: ImageSource | None = None


class Gate(_Wire, frozen=True):
    name: str


class PodSpec(_Wire, frozen=True):
    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    volumes: tuple[Volume, ...] = ()
    node_name: str = ""
    runtime_class_name: str | None = None
    scheduling_gates: tuple[Gate, ...] = ()


class Condition(_Wire, frozen=True):
    type: str
    status: str
    reason: str = ""


class PodStatus(_Wire, frozen=True):
    phase: str = ""
    nominated_node_name: str = ""
    conditions: tuple[Condition, ...] = ()


class Pod(wire.Object):
    """What of a pod decides how its start goes, and how it came to its node."""

    metadata: Metadata
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def path(self) -> str:
        return f"/api/v1/namespaces/{self.metadata.namespace}/pods/{self.metadata.name}"

    @property
    def images(self) -> list[str]:
        """Every image it needs, in the order in which the kubelet wants them."""
        volumes = (volume.image.reference for volume in self.spec.volumes if volume.image)
        containers = (container.image for container in (*self.spec.init_containers, *self.spec.containers))
        return [*volumes, *containers]

    @property
    def is_unschedulable(self) -> bool:
        """A scheduler looked at it and found no node: what autoscalers react to."""
        return not self.spec.node_name and any(
            item.type == "PodScheduled" and item.status == "False" and item.reason == "Unschedulable"
            for item in self.status.conditions
        )
