"""What befalls the pods of a story."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from lab.constants import Constants
from lab.fleets import zone_of
from lab.processes import Process
from lab.scenarios.autoscaler import Autoscaler
from lab.scenarios.machines import slots
from lab.stage import eventually
from lab.stories import ColdJoin, ControllerKill, Cordon, Rollout, SchedulerRestart, Story, ZoneLoss
from model.errors import LabError

if TYPE_CHECKING:
    from lab.scenarios.trial import Trial

RECREATION_WALL_SECONDS: Final = 0.2


class Incident:
    """Nothing happens. Made for one trial."""

    has_happened: bool = False
    """Whether what is left of it may be broken off when all pods are ready."""

    async def prepare(self, trial: Trial) -> None:
        """Before the scene is set."""

    async def befall(self, trial: Trial) -> None:
        """From the first arrival on; the trial is not over before this is, or has happened."""


class Restarts(Incident):
    """containerd restarts on node after node."""

    def __init__(self, story: Rollout) -> None:
        self._story = story

    async def befall(self, trial: Trial) -> None:
        names = [node.name for node in trial.fleet.nodes.values() if node.installed_at is not None]
        for number, name in enumerate(names):
            await trial.sleep_until(self._story.first_restart_seconds + number * self._story.every_seconds)
            trial.fleet.restart_containerd(name)


class Autoscaling(Incident):
    """Machines are launched for the pods that no node has room for."""

    has_happened = True

    def __init__(self, story: ColdJoin, constants: Constants) -> None:
        self._story = story
        self._slots = slots(constants, story.joining)

    async def befall(self, trial: Trial) -> None:
        autoscaler = Autoscaler(trial.fleet, self._story, self._slots)
        trial.autoscaler = autoscaler
        await autoscaler.run()


class Cordoning(Incident):
    """Nodes are cordoned or deleted while the scheduler is stopped: after nominations, before any binding."""

    def __init__(self, story: Cordon) -> None:
        self._story = story

    async def prepare(self, trial: Trial) -> None:
        os.kill(trial.scheduler.pid, signal.SIGSTOP)

    async def befall(self, trial: Trial) -> None:
        victims = {*self._story.cordoned, *self._story.deleted}
        ends = asyncio.get_running_loop().time() + self._story.pause_wall_seconds
        try:
            if trial.mode.nominates:
                await self._nominated(trial, victims)
            for name in sorted(victims):
                await trial.fleet.cordon(name)
            for name in self._story.deleted:
                await trial.fleet.delete(name)
            await asyncio.sleep(max(0.0, ends - asyncio.get_running_loop().time()))
        finally:
            os.kill(trial.scheduler.pid, signal.SIGCONT)
        self.has_happened = True
        await _bring_back(trial, self._story.deleted)

    async def _nominated(self, trial: Trial, victims: Collection[str]) -> None:
        """Until each victim has a pod nominated to it, which is the worst moment."""

        async def all_nominated() -> bool:
            return trial.nominated().issuperset(victims)

        try:
            await eventually(all_nominated, "no nomination", self._story.pause_wall_seconds * 0.75)
        except LabError:
            missing = ", ".join(sorted(set(victims) - trial.nominated()))
            trial.complaints.append(f"the worst moment was missed: no pod was nominated to {missing}")


class Loss(Incident):
    """The machines of a zone are gone; their pods come again elsewhere."""

    def __init__(self, story: ZoneLoss) -> None:
        self._story = story

    async def befall(self, trial: Trial) -> None:
        await trial.sleep_until(self._story.at_seconds)
        lost = [name for name, node in trial.fleet.nodes.items() if zone_of(node.index) == self._story.zone]
        await asyncio.gather(*(trial.fleet.delete(name) for name in lost))
        await trial.recreate(lost)
        self.has_happened = True
        await _bring_back(trial, lost)


class Kills(Incident):
    """Stoker's replicas are killed one after the other, so the leading one too, and then all at once."""

    def __init__(self, story: ControllerKill) -> None:
        self._story = story

    async def befall(self, trial: Trial) -> None:
        replicas = trial.stage.webhooks
        for number, victims in enumerate([*([replica] for replica in replicas), replicas]):
            await trial.sleep_until(self._story.at_seconds + number * self._story.every_seconds)
            await asyncio.gather(*(_replace(victim, self._story.down_wall_seconds) for victim in victims))


class SchedulerKill(Incident):
    """The scheduler of the mode is killed, and comes back."""

    def __init__(self, story: SchedulerRestart) -> None:
        self._story = story

    async def befall(self, trial: Trial) -> None:
        await trial.sleep_until(self._story.at_seconds)
        await _replace(trial.scheduler, self._story.down_wall_seconds)


def incident_of(story: Story, constants: Constants) -> Incident:
    match story:
        case Rollout():
            return Restarts(story)
        case ColdJoin():
            return Autoscaling(story, constants)
        case Cordon():
            return Cordoning(story)
        case ZoneLoss():
            return Loss(story)
        case ControllerKill():
            return Kills(story)
        case SchedulerRestart():
            return SchedulerKill(story)
    return Incident()


async def _bring_back(trial: Trial, lost: Collection[str]) -> None:
    """A scheduler that has not heard yet may bind pods to nodes that are gone: these come again too, for ever."""
    while True:
        await asyncio.sleep(RECREATION_WALL_SECONDS)
        await trial.recreate(lost)


async def _replace(process: Process, down_wall_seconds: float) -> None:
    """SIGKILL, and up again later."""
    await process.kill()
    await asyncio.sleep(down_wall_seconds)
    await process.start()
