"""The nodes of a fleet as they are before anything happens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lab.fleets import NodeGroup
from lab.simulation.nodes import LONG_AGO, SimulatedNode
from lab.simulation.pulls import Puller
from lab.simulation.world import World

INSTALLED_STATES = frozenset(("warm", "truncated", "containerd-restarted"))
"""States in which Kata has been there since long ago."""


def members(world: World, groups: Sequence[NodeGroup]) -> Iterator[SimulatedNode]:
    """All nodes of the groups, numbered within each: `warm-1`, `warm-2`."""
    for group in groups:
        for number in range(1, group.count + 1):
            yield member(world, group, f"{group.name}-{number}")


def member(world: World, group: NodeGroup, name: str, *, empty: bool = False) -> SimulatedNode:
    """One node in the state of its group; an `empty` one comes from a fresh machine, whatever the state says."""
    constants = world.physics.constants
    installed = group.state in INSTALLED_STATES and not empty
    node = SimulatedNode(
        name=name,
        index=len(world.nodes),
        group=group,
        disk_factor=world.physics.disk_factor(name),
        kata_handlers=constants.kata.handlers,
        puller=Puller(world.clock, constants.pull.parallel),
        kata_wanted=group.state != "without-kata",
        awaits_scene=group.state == "kata-installed" and not empty,
        installed_at=LONG_AGO if installed else None,
    )
    if installed:
        node.handlers_reported_at = LONG_AGO
    if not empty:
        _fill(world, node, installed=installed)
    world.nodes[name] = node
    return node


def _fill(world: World, node: SimulatedNode, *, installed: bool) -> None:
    constants, catalogue = world.physics.constants, world.catalogue
    present = set(constants.images if node.group.images is None else node.group.images) - {constants.kata.image}
    if installed or node.awaits_scene:
        present.add(constants.kata.image)
    for short in sorted(present):
        node.add_image(catalogue.named(short, node.architecture), LONG_AGO)
    if node.group.state == "truncated":
        for number in range(constants.filler.count):
            node.add_image(catalogue.filler(number, node.architecture), LONG_AGO)
