"""Pods as a simulated kubelet reads them from the watch."""

from __future__ import annotations

from typing import Final

import msgspec

CREATED_ANNOTATION: Final = "lab.stoker.dev/created-at"
"""On a pod, by whoever created it: the wall time of that, in seconds of the epoch with a fraction."""


class _Wire(msgspec.Struct, rename="camel", frozen=True):
    pass


class Metadata(_Wire, frozen=True):
    name: str
    namespace: str
    uid: str
    resource_version: str = ""
    generation: int = 0
    deletion_timestamp: str | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


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


class PodSpec(_Wire, frozen=True):
    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    volumes: tuple[Volume, ...] = ()
    node_name: str = ""
    runtime_class_name: str | None = None


class PodStatus(_Wire, frozen=True):
    phase: str = ""


class Pod(_Wire, frozen=True):
    """What of a pod decides how its start goes."""

    metadata: Metadata
    spec: PodSpec
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


class PodEvent(_Wire, frozen=True):
    """A line of the watch whose object is a pod."""

    type: str
    object: Pod


class EventType(_Wire, frozen=True):
    """The same of any line: an ERROR's object is no pod."""

    type: str
    object: msgspec.Raw


class ListMetadata(_Wire, frozen=True):
    resource_version: str


class PodList(_Wire, frozen=True):
    metadata: ListMetadata
    items: tuple[Pod, ...] = ()
