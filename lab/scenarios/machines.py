"""The machines of a story as omniscience knows them: what is on them, and everything that is going to happen there.

Moments are seconds from the first pod's arrival.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import inf

from lab.constants import Constants
from lab.fleets import NodeGroup, zone_of
from lab.simulation.catalogue import Catalogue
from lab.simulation.members import INSTALLED_STATES
from lab.simulation.nodes import LONG_AGO
from lab.simulation.physics import Physics
from lab.stories import ColdJoin, Cordon, Rollout, Story, ZoneLoss
from model.images import canonical_image
from model.names import KATA_DEPLOY
from model.quantities import amount

Interval = tuple[float, float]
_Restarted = Callable[["Machine", float], "Machine"]


@dataclass(frozen=True, slots=True)
class Machine:
    """One node and its future."""

    name: str
    architecture: str
    disk_factor: float
    images: frozenset[str]
    """Canonical names of what is present before the first pod."""

    slots: int
    """Pods of the story's that it has resources for; none where it is taken away before they could be ready."""

    opens: float = LONG_AGO
    """From when on it takes pods."""

    installed: float = LONG_AGO
    """When the Kata handlers begin to work; infinite where they never do."""

    outages: tuple[Interval, ...] = ()
    """In which every sandbox fails and no pull moves, in ascending order."""

    stalls: tuple[Interval, ...] = ()
    """In which no pull begins, and sandboxes are slow."""

    def refuses(self, at: float) -> bool:
        """Whether a Kata sandbox fails then."""
        return at < self.installed or any(begin <= at < end for begin, end in self.outages)

    def accepts_from(self, at: float) -> float:
        """The first moment, from then on, at which a pod can be bound and its sandbox works."""
        at = max(at, self.opens, self.installed)
        while self.refuses(at):
            at = max(end for begin, end in self.outages if begin <= at < end)
        return at

    def stalls_until(self, at: float) -> float:
        """As known at that moment: what is yet to come stalls nothing. Minus infinity where nothing stalls."""
        return max((end for begin, end in self.stalls if begin <= at < end), default=-inf)


class Foresight:
    """Makes the machines of a story from the constants, the way the simulation makes its nodes.

    `scene_seconds`: how long before the first arrival the scene was set.
    """

    def __init__(self, constants: Constants, story: Story, scene_seconds: float = 0.0) -> None:
        self._scene_seconds = scene_seconds
        self._constants = constants
        self._story = story
        self._physics = Physics(constants)
        self._catalogue = Catalogue(constants)

    def machines(self) -> list[Machine]:
        found = [
            self._machine(group, f"{group.name}-{number}") for group in self._story.fleet for number in _numbers(group)
        ]
        match self._story:
            case Rollout() as story:
                return list(_rolled_out(found, story, self._restarted))
            case ZoneLoss() as story:
                return [
                    _without_room(machine) if zone_of(index) == story.zone else machine
                    for index, machine in enumerate(found)
                ]
            case Cordon() as story:
                gone = {*story.cordoned, *story.deleted}
                return [_without_room(machine) if machine.name in gone else machine for machine in found]
            case ColdJoin(joining=group):
                return [*found, *(self._joined(group, f"{group.name}-{number}") for number in _numbers(group))]
        return found

    def _machine(self, group: NodeGroup, name: str) -> Machine:
        images = self._constants.images if group.images is None else group.images
        machine = Machine(
            name=name,
            architecture=group.architecture,
            disk_factor=self._physics.disk_factor(name),
            images=frozenset(canonical_image(self._constants.images[short].reference) for short in images),
            slots=slots(self._constants, group),
            installed=LONG_AGO if group.state in INSTALLED_STATES else inf,
        )
        if group.state == "containerd-restarted":
            return self._restarted(machine, -group.seconds_ago - self._scene_seconds)
        if group.state == "kata-installed":
            return self._installed(machine, -group.seconds_ago - self._scene_seconds)
        if group.name in self._story.installing or group.state == "kata-installing":
            return self._installed(machine, self._installation_seconds(machine))
        return machine

    def _joined(self, group: NodeGroup, name: str) -> Machine:
        """Launched as the first pod arrives: no autoscaler can be sooner. Without images, and kata-deploy begins."""
        noise, boot = self._physics.noise("boot", name), self._constants.boot
        machine = replace(self._machine(group, name), images=frozenset(), installed=inf)
        registered = boot.registered_seconds[group.architecture] * noise
        machine = replace(machine, opens=boot.ready_seconds[group.architecture] * noise)
        if group.state == "without-kata":
            return machine
        return self._installed(machine, registered + self._installation_seconds(machine))

    def _installation_seconds(self, machine: Machine) -> float:
        """From kata-deploy's arrival until it restarts containerd: the pull of its image, and the copying."""
        reference = self._constants.images[self._constants.kata.image].reference
        size = self._catalogue.content(reference, machine.architecture).size_bytes
        noise = self._physics.pull_noise(machine.name, reference)
        work = self._physics.pull_work(size, present=False, disk_factor=machine.disk_factor, noise=noise)
        install = self._constants.kata.install_seconds * self._physics.noise(KATA_DEPLOY, machine.name, "install")
        return work.fixed_seconds + work.transfer_seconds + install

    def _restarted(self, machine: Machine, at: float) -> Machine:
        return self._shaken(machine, at, self._constants.settling.restart_stall_seconds)

    def _installed(self, machine: Machine, at: float) -> Machine:
        shaken = self._shaken(machine, at, self._constants.settling.install_stall_seconds)
        return replace(shaken, installed=at)

    def _shaken(self, machine: Machine, at: float, stall_seconds: float) -> Machine:
        outage = at, at + self._constants.settling.outage_seconds
        stall = at, at + stall_seconds * self._physics.noise("stall", machine.name)
        return replace(machine, outages=(*machine.outages, outage), stalls=(*machine.stalls, stall))


def slots(constants: Constants, group: NodeGroup) -> int:
    """For how many of the tenant's pods a node of the group has resources."""
    load, kata = constants.demo.load.tenant, constants.kata
    cpu = amount("cpu", load.cpu) + amount("cpu", kata.overhead_cpu)
    memory = amount("memory", load.memory) + amount("memory", kata.overhead_memory)
    room = [group.pods - 1]  # one is kata-deploy's
    room += [amount("cpu", group.cpu) // cpu] if cpu else []
    room += [amount("memory", group.memory) // memory] if memory else []
    return max(0, min(room))


def _numbers(group: NodeGroup) -> range:
    return range(1, group.count + 1)


def _without_room(machine: Machine) -> Machine:
    return replace(machine, slots=0)


def _rolled_out(machines: list[Machine], story: Rollout, restarted: _Restarted) -> Iterator[Machine]:
    at = story.first_restart_seconds
    for machine in machines:
        if machine.installed == inf:
            yield machine  # kata-deploy does not run there
        else:
            yield restarted(machine, at)
            at += story.every_seconds
