"""The tables of the lab's constants that describe fleets and what is created on them."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from lab.physical import Architecture, Name, Quantity, Seconds, Table

NodeState = Literal["warm", "truncated", "without-kata", "kata-installing", "kata-installed", "containerd-restarted"]
PullPolicy = Literal["Always", "IfNotPresent"]

ZONES: Final = ("us-west-2a", "us-west-2b", "us-west-2c")


def zone_of(index: int) -> str:
    """The zone of a fleet's node by its number: one after the other, so that three nodes or more are in all of them."""
    return ZONES[index % len(ZONES)]


class NodeGroup(Table):
    """Equal nodes of a fleet."""

    name: Name
    """Nodes are called by it, with a number."""

    count: Annotated[int, Field(ge=0, le=20_000)]
    """How many."""

    instance_type: str
    """Value of their label node.kubernetes.io/instance-type."""

    architecture: Architecture
    """Value of their label kubernetes.io/arch."""

    cpu: Quantity
    """Allocatable CPU."""

    memory: Quantity
    """Allocatable memory."""

    pods: Annotated[int, Field(ge=1)] = 110
    """Allocatable pods."""

    state: NodeState
    """What has happened to them: warm (long ago), truncated (warm, but larger images fill the report), without-kata,
    kata-installing (kata-deploy begins with the fleet), kata-installed or containerd-restarted `seconds_ago`."""

    seconds_ago: Seconds = 0
    """How long before the scene is set the event of the state happened."""

    images: tuple[str, ...] | None = None
    """Which of the images are present; absent means all."""


class TenantPod(Table):
    """The pods of the demo's tenant."""

    image: str
    """Which of the images the container runs."""

    init_image: str
    """Which of the images the init container runs."""

    image_pull_policy: PullPolicy
    """What the manifests say before anybody changes them."""

    cpu: Quantity
    """CPU request."""

    memory: Quantity
    """Memory request."""


class OtherPod(Table):
    """The pods of namespaces that have nothing to do with Stoker."""

    image: str
    """Which of the images the container runs."""

    image_pull_policy: PullPolicy
    """As in their manifests."""

    cpu: Quantity
    """CPU request."""

    memory: Quantity
    """Memory request."""


class Load(Table):
    """What is created in the demo."""

    tenant_pods: Annotated[int, Field(ge=0)]
    """How many pods of the tenant."""

    other_pods: Annotated[int, Field(ge=0)]
    """How many of others."""

    tenant: TenantPod
    """What the former look like."""

    other: OtherPod
    """What the latter look like."""


class Demo(Table):
    """The demo's fleet and load."""

    speed: Annotated[float, Field(gt=0, le=1_000)] | None = None
    """Seconds of the modelled cluster in a wall second; absent means the file's own `speed`."""

    fleet: tuple[NodeGroup, ...] = Field(min_length=1)
    """Its nodes."""

    load: Load
    """Its pods."""
