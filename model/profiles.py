"""TenantProfile: what a tenant's pods get and how they are forecast. The CRD's schema is generated from here.

The defaults of `startup` are the first seed benchmark's figures (Kata on a c6i.metal, runc on a r6g.12xlarge).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from model import names
from model.errors import InvalidProfile

Seconds = Annotated[int, Field(ge=0, le=86_400)]
Name = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
QualifiedName = Annotated[str, Field(min_length=1, max_length=316, pattern=r"^([a-z0-9.-]+/)?[A-Za-z0-9_.-]+$")]
InstanceType = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$")]
Architecture = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9_]+$")]


class _Schema(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class Toleration(_Schema):
    """A toleration as in a pod's spec."""

    key: str = Field("", max_length=316, description="The taint's key; empty, with operator Exists, means every taint.")
    operator: Literal["Exists", "Equal"] = Field("Equal", description="Whether the taint's value must equal `value`.")
    value: str = Field("", max_length=63, description="The taint's value; only with operator Equal.")
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = Field(
        "", description="The taint's effect; empty means every effect."
    )
    toleration_seconds: int | None = Field(
        None, description="How long a NoExecute taint is tolerated, in seconds; absent means for ever."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Toleration:
        if self.operator == "Exists" and self.value:
            raise ValueError("a toleration with operator Exists has no value; remove the value or use Equal")
        if self.operator == "Equal" and not self.key:
            raise ValueError("a toleration without a key needs operator Exists")
        if self.toleration_seconds is not None and self.effect != "NoExecute":
            raise ValueError("tolerationSeconds goes with effect NoExecute only")
        return self


class ArchitecturePreference(_Schema):
    """Where the tenant's application starts faster."""

    preferred: Architecture = Field("amd64", description="The architecture wanted, as in the label kubernetes.io/arch.")
    policy: Literal["Prefer", "Require", "Ignore"] = Field(
        "Prefer",
        description="Prefer adds a preferred node affinity, Require a required one, Ignore leaves the pod as it is.",
    )


class PeerPods(_Schema):
    """Sandboxes that are virtual machines of the cloud provider's, outside the node."""

    enabled: bool = Field(
        False,
        description="Each pod takes one kata.peerpods.io/vm from its node; its CPU, memory and GPUs become annotations "
        "that size the virtual machine. The runtime pulls images inside the guest, so a node's cached images do not "
        "help.",
    )
    instance_type: InstanceType | None = Field(
        None,
        description="The provider's instance type for pods that name none; absent leaves it to the adaptor to choose "
        "one by size.",
    )


class Startup(_Schema):
    """Priors of the forecast: used until observation knows better."""

    sandbox_seconds: Seconds = Field(3, description="Seconds to boot the sandbox.")
    init_seconds: Seconds = Field(3, description="Seconds the init containers run, where the pod has some.")
    application_seconds: dict[Architecture, Seconds] = Field(
        default_factory=lambda: {"amd64": 33, "arm64": 50},
        description="Seconds the application needs to start, by architecture.",
    )
    ready_seconds: Seconds = Field(4, description="Seconds from the application's start to the pod's readiness.")
    pull_seconds_per_image: Seconds = Field(5, description="Fixed seconds of an image's pull, whatever its size.")
    pull_megabytes_per_second: Annotated[int, Field(ge=1, le=100_000)] = Field(
        32, description="Rate at which a node pulls and unpacks, in megabytes (10^6 bytes) a second."
    )
    parallel_image_pulls: bool = Field(
        False, description="Whether the nodes' kubelets run with serializeImagePulls: false."
    )
    contention_milliseconds_per_start: Annotated[int, Field(ge=0, le=600_000)] = Field(
        100, description="Milliseconds that each other pod starting on the node at the same moment adds."
    )


class ProfileSpec(_Schema):
    """What the pods of a profile's namespaces get."""

    runtime_class_name: Name | None = Field(None, description="The RuntimeClass of the tenant's pods.")
    runtime_class_policy: Literal["Enforce", "Default"] = Field(
        "Enforce",
        description="Enforce refuses a pod that names another class; Default fills the class in where none is named.",
    )
    image_pull_policy: Literal["IfNotPresent", "Keep"] = Field(
        "IfNotPresent", description="IfNotPresent rewrites Always, so that a cached image is used; Keep leaves it."
    )
    mutable_tags: Literal["Keep", "IfNotPresent"] = Field(
        "Keep", description="What imagePullPolicy means for tags that move, such as latest: they may run a stale image."
    )
    tolerations: tuple[Toleration, ...] = Field((), max_length=64, description="Tolerations the pods get in addition.")
    scheduling_gates: tuple[QualifiedName, ...] = Field(
        (names.WARM_NODE_GATE,),
        max_length=16,
        description="Scheduling gates the pods are created with; something must open each. Stoker opens "
        "stoker.dev/warm-node.",
    )
    max_hold_seconds: Seconds = Field(
        120, description="Seconds from a pod's creation after which a gate of Stoker's is opened in any case."
    )
    scheduler_name: Name | None = Field(
        None, description="The scheduler of the tenant's pods; absent leaves the pod's own."
    )
    architecture: ArchitecturePreference = Field(
        default_factory=ArchitecturePreference, description="Which architecture the tenant's pods want, and how much."
    )
    peer_pods: PeerPods = Field(default_factory=PeerPods, description="Peer pods, as the tenant uses them.")
    startup: Startup = Field(default_factory=Startup, description="Priors of the forecast.")
    settle_seconds: Seconds = Field(
        20, description="Seconds after any restart of containerd in which a node is not yet at its usual speed."
    )
    install_settle_seconds: Seconds = Field(
        130, description="The same after the first installation of the runtime, where pulls were seen to stall."
    )

    @model_validator(mode="after")
    def _enforces_something(self) -> ProfileSpec:
        if self.runtime_class_policy == "Enforce" and self.runtime_class_name is None:
            raise ValueError("runtimeClassPolicy Enforce needs a runtimeClassName; name one, or use Default")
        return self


class TenantProfile(_Schema):
    """A profile with its name."""

    name: Name
    spec: ProfileSpec

    @classmethod
    def from_spec(cls, name: str, spec: object) -> TenantProfile:
        """Read the `spec` of a TenantProfile object as the API server stores it; raises InvalidProfile."""
        try:
            return cls.model_validate({"name": name, "spec": spec})
        except ValidationError as error:
            complaints = "; ".join(_complaint(item["loc"], item["msg"]) for item in error.errors())
            raise InvalidProfile(f"TenantProfile {name!r}: {complaints}") from error


def _complaint(location: tuple[int | str, ...], message: str) -> str:
    path = ".".join(str(part) for part in location)
    return f"{path}: {message.removeprefix('Value error, ')}"
