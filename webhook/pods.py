"""What of a pod at admission decides anything, as msgspec reads it from a review; every other field is skipped.

A pod comes here before it is validated, so lists may be null and names may be wrong: that is for the API server to say.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct, field

from model import names

DEFAULT_SCHEDULER: Final = "default-scheduler"
NODE_NAME_FIELD: Final = "metadata.name"


class _Wire(Struct, frozen=True, rename="camel"):
    """Kubernetes' spelling of names outside, Python's inside."""


class OwnerReference(_Wire, frozen=True):
    kind: str = ""
    controller: bool | None = None


class Metadata(_Wire, frozen=True):
    name: str | None = None
    generate_name: str | None = None
    annotations: dict[str, str] | None = None
    owner_references: tuple[OwnerReference, ...] | None = None


class SecurityContext(_Wire, frozen=True):
    privileged: bool | None = None


class VolumeMount(_Wire, frozen=True):
    name: str = ""
    sub_path: str | None = None
    sub_path_expr: str | None = None


class VolumeDevice(_Wire, frozen=True):
    name: str = ""


Quantities = dict[str, str | int | float]
"""Quantities by resource; the API server sends strings, people may write numbers."""


class Resources(_Wire, frozen=True):
    limits: Quantities | None = None
    requests: Quantities | None = None


class Container(_Wire, frozen=True):
    name: str = ""
    image: str | None = None
    image_pull_policy: str | None = None
    resources: Resources | None = None
    restart_policy: str | None = None
    security_context: SecurityContext | None = None
    volume_mounts: tuple[VolumeMount, ...] | None = None
    volume_devices: tuple[VolumeDevice, ...] | None = None


class ImageVolume(_Wire, frozen=True):
    reference: str | None = None
    pull_policy: str | None = None


class HostPath(_Wire, frozen=True):
    path: str | None = None


class Volume(_Wire, frozen=True):
    name: str = ""
    image: ImageVolume | None = None
    host_path: HostPath | None = None


class Toleration(_Wire, frozen=True):
    key: str | None = None
    operator: str | None = None
    value: str | None = None
    effect: str | None = None
    toleration_seconds: int | None = None


class SchedulingGate(_Wire, frozen=True):
    name: str = ""


class Requirement(_Wire, frozen=True):
    """One expression of a node selector term."""

    key: str = ""
    operator: str = ""
    values: tuple[str, ...] | None = None


class NodeSelectorTerm(_Wire, frozen=True):
    match_expressions: tuple[Requirement, ...] | None = None
    match_fields: tuple[Requirement, ...] | None = None


class NodeSelector(_Wire, frozen=True):
    node_selector_terms: tuple[NodeSelectorTerm, ...] | None = None


class PreferredTerm(_Wire, frozen=True):
    preference: NodeSelectorTerm | None = None


class NodeAffinity(_Wire, frozen=True):
    required: NodeSelector | None = field(default=None, name="requiredDuringSchedulingIgnoredDuringExecution")
    preferred: tuple[PreferredTerm, ...] | None = field(
        default=None, name="preferredDuringSchedulingIgnoredDuringExecution"
    )

    @property
    def required_terms(self) -> tuple[NodeSelectorTerm, ...]:
        return (self.required.node_selector_terms or ()) if self.required else ()


class Affinity(_Wire, frozen=True):
    node_affinity: NodeAffinity | None = None


class PodSpec(_Wire, frozen=True):
    containers: tuple[Container, ...] | None = None
    init_containers: tuple[Container, ...] | None = None
    volumes: tuple[Volume, ...] | None = None
    runtime_class_name: str | None = None
    tolerations: tuple[Toleration, ...] | None = None
    scheduling_gates: tuple[SchedulingGate, ...] | None = None
    scheduler_name: str | None = None
    node_selector: dict[str, str] | None = None
    affinity: Affinity | None = None
    node_name: str | None = None
    resources: Resources | None = None
    overhead: Quantities | None = None
    host_network: bool | None = None
    host_pid: bool | None = field(default=None, name="hostPID")
    host_ipc: bool | None = field(default=None, name="hostIPC")

    @property
    def all_containers(self) -> tuple[Container, ...]:
        return (*(self.init_containers or ()), *(self.containers or ()))

    @property
    def node_affinity(self) -> NodeAffinity | None:
        return self.affinity.node_affinity if self.affinity else None


class Pod(_Wire, frozen=True):
    metadata: Metadata
    spec: PodSpec
    kind: str = "Pod"

    @property
    def is_mirror(self) -> bool:
        """Whether it only shows a static pod that a kubelet runs already; that it does is for the policies to check."""
        return names.MIRROR_ANNOTATION in (self.metadata.annotations or {})

    @property
    def is_of_daemon_set(self) -> bool:
        """Whether a DaemonSet controls it, which has chosen the node already, from the template as it stands.

        An affinity to a node's name alone proves nothing: anybody may write one, to slip past an enforced class. An
        owner can be forged as well; the admission policy `stoker-creation` refuses that (docs/security.md).
        """
        return any(owner.controller and owner.kind == "DaemonSet" for owner in self.metadata.owner_references or ())
