"""The fields of API objects that Stoker reads, as msgspec decodes them: everything else is skipped, not built.

Field names are Kubernetes' own in snake case. Every field but the metadata has a default, so that an object that cannot
be decoded whole can still be known by its name (`bare`), with everything about it unknown.
"""

from __future__ import annotations

import sys
from typing import Any, Generic, Self, TypeVar

import msgspec

from cluster.images import NodeImage, node_image
from model import names


class _Wire(msgspec.Struct, rename="camel", gc=False):
    """Read once and never written to."""


class OwnedLabels(_Wire):
    """Of all the labels that a field manager may own, the one whose time matters."""

    kata_runtime: dict[str, Any] | None = msgspec.field(name=f"f:{names.KATA_LABEL}", default=None)


class OwnedMetadata(_Wire):
    labels: OwnedLabels | None = msgspec.field(name="f:labels", default=None)


class OwnedFields(_Wire):
    metadata: OwnedMetadata | None = msgspec.field(name="f:metadata", default=None)


class ManagedFields(_Wire):
    time: str = ""
    fields_v1: OwnedFields | None = msgspec.field(name="fieldsV1", default=None)

    @property
    def owns_kata_label(self) -> bool:
        metadata = self.fields_v1.metadata if self.fields_v1 else None
        return bool(metadata and metadata.labels and metadata.labels.kata_runtime is not None)


class OwnerReference(_Wire):
    kind: str = ""
    name: str = ""
    controller: bool = False


class Metadata(_Wire):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    annotations: dict[str, str] = msgspec.field(default_factory=dict)
    owner_references: tuple[OwnerReference, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    def outline(self) -> Self:
        """Which object it was by its name, in which version."""
        return type(self)(
            self.name,
            sys.intern(self.namespace),
            resource_version=self.resource_version,
            labels=_NONE,
            annotations=_NONE,
        )


_NONE: dict[str, str] = {}
"""Shared by all outlines; never written to."""


class NodeMetadata(Metadata):
    """Managers' fields are asked for on nodes only; on pods they are half of the JSON, and skipped."""

    managed_fields: tuple[ManagedFields, ...] = ()


class Object(_Wire):
    """Any object: what all kinds have."""

    metadata: Metadata


T = TypeVar("T", bound=Object)


class Condition(_Wire):
    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""


class RuntimeHandler(_Wire):
    name: str = ""


class Taint(_Wire):
    key: str = ""
    value: str = ""
    effect: str = ""


class NodeSystemInfo(_Wire):
    architecture: str = ""


class NodeStatus(_Wire):
    """`images` is what `reported_images` come to: entries that many nodes report alike are read once and shared."""

    conditions: tuple[Condition, ...] = ()
    reported_images: list[msgspec.Raw] = msgspec.field(name="images", default_factory=list)
    images: list[NodeImage] = msgspec.field(name="-", default_factory=list)
    runtime_handlers: list[RuntimeHandler] | None = None
    node_info: NodeSystemInfo = msgspec.field(default_factory=NodeSystemInfo)
    allocatable: dict[str, str] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.reported_images:
            self.images = [node_image(bytes(entry)) for entry in self.reported_images]
            self.reported_images = []


class NodeSpec(_Wire):
    unschedulable: bool = False
    taints: tuple[Taint, ...] = ()


class Node(Object):
    metadata: NodeMetadata
    spec: NodeSpec = msgspec.field(default_factory=NodeSpec)
    status: NodeStatus = msgspec.field(default_factory=NodeStatus)


class Requests(_Wire):
    requests: dict[str, str] = msgspec.field(default_factory=dict)


class ContainerPort(_Wire):
    host_port: int = 0


class Container(_Wire):
    name: str = ""
    image: str = ""
    resources: Requests = msgspec.field(default_factory=Requests)
    restart_policy: str = ""
    ports: tuple[ContainerPort, ...] = ()


class ImageVolumeSource(_Wire):
    reference: str = ""


class Volume(_Wire):
    image: ImageVolumeSource | None = None
    persistent_volume_claim: dict[str, Any] | None = None
    ephemeral: dict[str, Any] | None = None
    aws_elastic_block_store: dict[str, Any] | None = None
    azure_disk: dict[str, Any] | None = None
    cinder: dict[str, Any] | None = None
    gce_persistent_disk: dict[str, Any] | None = None
    iscsi: dict[str, Any] | None = None
    portworx_volume: dict[str, Any] | None = None
    rbd: dict[str, Any] | None = None

    @property
    def restricts_nodes(self) -> bool:
        """Whether kube-scheduler (1.36) may refuse a node for it.

        Its filters VolumeBinding and VolumeZone look at claims; VolumeRestrictions at disks that one node may mount, or
        one pod; NodeVolumeLimits at claims and at disks that a CSI driver mounts in their place (isCSIMigrationOn). A
        volume that a pod asks a CSI driver for by itself (`csi`) is none of these.
        """
        claims = self.persistent_volume_claim or self.ephemeral
        restricted = self.aws_elastic_block_store or self.gce_persistent_disk or self.iscsi or self.rbd
        counted = self.azure_disk or self.cinder or self.portworx_volume
        return bool(claims or restricted or counted)


class Toleration(_Wire):
    key: str = ""
    operator: str = ""
    value: str = ""
    effect: str = ""


class SelectorRequirement(_Wire):
    key: str = ""
    operator: str = ""
    values: tuple[str, ...] = ()


class LabelSelector(_Wire):
    match_labels: dict[str, str] = msgspec.field(default_factory=dict)
    match_expressions: tuple[SelectorRequirement, ...] = ()


class NodeSelectorTerm(_Wire):
    match_expressions: tuple[SelectorRequirement, ...] = ()
    match_fields: tuple[SelectorRequirement, ...] = ()


class NodeSelector(_Wire):
    node_selector_terms: tuple[NodeSelectorTerm, ...] = ()


class PreferredNodeTerm(_Wire):
    weight: int = 0
    preference: NodeSelectorTerm = msgspec.field(default_factory=NodeSelectorTerm)


class NodeAffinity(_Wire):
    required: NodeSelector | None = msgspec.field(name="requiredDuringSchedulingIgnoredDuringExecution", default=None)
    preferred: tuple[PreferredNodeTerm, ...] = msgspec.field(
        name="preferredDuringSchedulingIgnoredDuringExecution", default=()
    )


class PodAffinityTerm(_Wire):
    topology_key: str = ""
    label_selector: LabelSelector | None = None
    namespaces: tuple[str, ...] = ()
    namespace_selector: LabelSelector | None = None


class WeightedPodAffinityTerm(_Wire):
    weight: int = 0
    pod_affinity_term: PodAffinityTerm = msgspec.field(default_factory=PodAffinityTerm)


class PodAffinity(_Wire):
    required: tuple[PodAffinityTerm, ...] = msgspec.field(
        name="requiredDuringSchedulingIgnoredDuringExecution", default=()
    )
    preferred: tuple[WeightedPodAffinityTerm, ...] = msgspec.field(
        name="preferredDuringSchedulingIgnoredDuringExecution", default=()
    )


class Affinity(_Wire):
    node_affinity: NodeAffinity | None = None
    pod_affinity: PodAffinity | None = None
    pod_anti_affinity: PodAffinity | None = None


class TopologySpreadConstraint(_Wire):
    topology_key: str = ""
    max_skew: int = 1
    when_unsatisfiable: str = ""
    label_selector: LabelSelector | None = None


class SchedulingGate(_Wire):
    name: str = ""


class PodSpec(_Wire):
    node_name: str = ""
    scheduling_gates: list[SchedulingGate] = msgspec.field(default_factory=list)
    runtime_class_name: str | None = None
    scheduler_name: str = ""
    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    volumes: tuple[Volume, ...] = ()
    node_selector: dict[str, str] = msgspec.field(default_factory=dict)
    affinity: Affinity | None = None
    tolerations: tuple[Toleration, ...] = ()
    topology_spread_constraints: tuple[TopologySpreadConstraint, ...] = ()
    priority: int = 0
    preemption_policy: str = ""
    overhead: dict[str, str] = msgspec.field(default_factory=dict)
    resources: Requests = msgspec.field(default_factory=Requests)
    resource_claims: tuple[dict[str, Any], ...] = ()


class ContainerStateRunning(_Wire):
    started_at: str | None = None


class ContainerStateWaiting(_Wire):
    reason: str = ""


class ContainerState(_Wire):
    waiting: ContainerStateWaiting | None = None
    running: ContainerStateRunning | None = None
    terminated: dict[str, Any] | None = None


class ContainerStatus(_Wire):
    name: str = ""
    image_id: str = msgspec.field(name="imageID", default="")
    ready: bool = False
    restart_count: int = 0
    state: ContainerState = msgspec.field(default_factory=ContainerState)
    resources: Requests | None = None
    allocated_resources: dict[str, str] = msgspec.field(default_factory=dict)


class PodStatus(_Wire):
    phase: str = ""
    nominated_node_name: str = ""
    conditions: tuple[Condition, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()
    resources: Requests | None = None
    allocated_resources: dict[str, str] = msgspec.field(default_factory=dict)


class Pod(Object):
    """`document` is no field of the API's: the JSON of a pod that may be written back, which takes a whole object."""

    spec: PodSpec = msgspec.field(default_factory=PodSpec)
    status: PodStatus = msgspec.field(default_factory=PodStatus)
    document: bytes = msgspec.field(name="-", default=b"")


class Namespace(Object):
    pass


class TenantProfile(Object):
    spec: dict[str, Any] = msgspec.field(default_factory=dict)


class RuntimeClass(Object):
    handler: str = ""


class LeaseSpec(_Wire):
    holder_identity: str | None = None
    renew_time: str | None = None


class Lease(Object):
    spec: LeaseSpec = msgspec.field(default_factory=LeaseSpec)


class ObjectReference(_Wire):
    kind: str = ""
    name: str = ""
    namespace: str = ""
    uid: str = ""


class EventSource(_Wire):
    component: str = ""
    host: str = ""


class EventSeries(_Wire):
    last_observed_time: str | None = None


class Event(Object):
    involved_object: ObjectReference = msgspec.field(default_factory=ObjectReference)
    reason: str = ""
    message: str = ""
    source: EventSource = msgspec.field(default_factory=EventSource)
    first_timestamp: str | None = None
    last_timestamp: str | None = None
    event_time: str | None = None
    series: EventSeries | None = None

    @property
    def first_seen(self) -> str | None:
        """The event's earliest time: the one of events.k8s.io, else the old client's."""
        return self.event_time or self.first_timestamp or self.last_seen

    @property
    def last_seen(self) -> str | None:
        """The event's latest time: the series', else the one of events.k8s.io, else the old client's."""
        return (self.series.last_observed_time if self.series else None) or self.last_timestamp or self.event_time


class WatchEvent(_Wire):
    """Any event, its object unread."""

    type: str
    object: msgspec.Raw


class ObjectEvent(_Wire, Generic[T]):
    """An event read together with its object."""

    type: str
    object: T


def event_decoder(kind: type[T]) -> msgspec.json.Decoder[ObjectEvent[T]]:
    return msgspec.json.Decoder(ObjectEvent[kind])  # type: ignore[valid-type] # a class that is known at run time only


class ListMetadata(_Wire):
    resource_version: str = ""
    continue_token: str = msgspec.field(name="continue", default="")


class ObjectList(_Wire):
    metadata: ListMetadata = msgspec.field(default_factory=ListMetadata)
    items: list[msgspec.Raw] = msgspec.field(default_factory=list)


class Status(_Wire):
    """The error object of a watch."""

    message: str = ""
    reason: str = ""
    code: int = 0


class _Bare(_Wire):
    """Any object, even its metadata unread."""

    metadata: msgspec.Raw


def bare(raw: msgspec.Raw | bytes, kind: type[T]) -> T:
    """The object with its metadata alone; raises msgspec.ValidationError where even that is unreadable or nameless."""
    [kind_of_metadata] = [field.type for field in msgspec.structs.fields(kind) if field.name == "metadata"]
    metadata = msgspec.json.decode(msgspec.json.decode(raw, type=_Bare).metadata, type=kind_of_metadata)
    if not metadata.name:
        raise msgspec.ValidationError("the object has no name")
    return kind(metadata=metadata)
