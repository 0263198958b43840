"""The tables of the lab's constants that describe scenarios: each a fleet, pods that arrive, and what befalls them.

Seconds count from the first pod's creation and are those of the modelled cluster unless a name says `wall`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final

from pydantic import Field

from lab.fleets import NodeGroup, zone_of
from lab.physical import Name, Seconds, Table

WallSeconds = Annotated[float, Field(ge=0, le=600, allow_inf_nan=False)]


class Story(Table):
    """What every scenario has."""

    fleet: tuple[NodeGroup, ...] = Field(min_length=1)
    """Its nodes at the beginning."""

    pods: Annotated[int, Field(ge=1, le=10_000)]
    """How many of the tenant's pods arrive."""

    over_seconds: Seconds = 0
    """The time over which they arrive, at random moments; 0 lets all arrive at once."""

    installing: tuple[Name, ...] = ()
    """Groups without Kata on which kata-deploy begins as the story does."""


class Rollout(Story):
    """kata-deploy is rolled out anew: containerd restarts on node after node."""

    first_restart_seconds: Seconds
    """When the first node's turn comes."""

    every_seconds: Seconds
    """From one node's turn to the next."""


class ColdJoin(Story):
    """More pods than the fleet has room for, and an autoscaler."""

    joining: NodeGroup
    """The machines that it may launch; `count` is the most of them."""

    batch_seconds: Seconds
    """How long the autoscaler waits for more pods before it acts."""


class Cordon(Story):
    """Nodes are taken away between a pod's nomination and its binding, while the scheduler is stopped."""

    cordoned: tuple[Name, ...]
    """Nodes that are cordoned."""

    deleted: tuple[Name, ...]
    """Nodes that are cordoned and deleted."""

    pause_wall_seconds: WallSeconds
    """How long the scheduler is stopped, from the first creation on."""


class ZoneLoss(Story):
    """All machines of a zone are gone from one moment to the next."""

    zone: str
    """Which."""

    at_seconds: Seconds
    """When."""


class ControllerKill(Story):
    """Stoker's processes are killed: each replica in turn, so the leading one too, then both at once."""

    at_seconds: Seconds
    """When the first is killed."""

    every_seconds: Seconds
    """From one kill to the next."""

    down_wall_seconds: WallSeconds
    """How long a killed replica stays away before it is started again."""


class SchedulerRestart(Story):
    """The kube-scheduler that binds the pods is killed and started again."""

    at_seconds: Seconds
    """When."""

    down_wall_seconds: WallSeconds
    """How long it stays away."""


class Scenarios(Table):
    """All of them."""

    speed: Annotated[float, Field(gt=0, le=1_000)]
    """Seconds of the model in a wall second: the lower, the less weighs what cannot be compressed."""

    wait_seconds: Seconds
    """How long after the last arrival pods may become ready; what is not ready then is pending."""

    max_hold_seconds: Annotated[int, Field(ge=0, le=86_400)]
    """`maxHoldSeconds` of the profile."""

    mixed_fleet: Story
    burst: Story
    rollout: Rollout
    cold_join: ColdJoin
    cordon: Cordon
    zone_loss: ZoneLoss
    controller_kill: ControllerKill
    scheduler_restart: SchedulerRestart

    def stories(self) -> dict[str, Story]:
        """By the names under which they are run."""
        return {name.replace("_", "-"): getattr(self, name) for name in STORIES}

    def complaints(self) -> Iterator[str]:
        """References to groups, nodes or zones that a story does not have."""
        for name, story in self.stories().items():
            groups = [group.name for group in story.fleet]
            for repeated in sorted({group for group in groups if groups.count(group) > 1}):
                yield f"scenarios.{name}.fleet: two groups are called {repeated}"
            for group in set(story.installing) - set(groups):
                yield f"scenarios.{name}.installing: there is no group {group} in its fleet"
        nodes = {f"{group.name}-{number + 1}" for group in self.cordon.fleet for number in range(group.count)}
        for node in (set(self.cordon.cordoned) | set(self.cordon.deleted)) - nodes:
            yield f"scenarios.cordon: there is no node {node} in its fleet"
        zones = sorted({zone_of(index) for index in range(sum(group.count for group in self.zone_loss.fleet))})
        if self.zone_loss.zone not in zones:
            found = ", ".join(zones) or "none, since it has no nodes"
            yield f"scenarios.zone-loss.zone: no node is in {self.zone_loss.zone}; its fleet's zones are {found}"


STORIES: Final = (
    "mixed_fleet",
    "burst",
    "rollout",
    "cold_join",
    "cordon",
    "zone_loss",
    "controller_kill",
    "scheduler_restart",
)
