"""Runs stories in every mode, one after the other, on one stage."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lab.constants import Constants, scenarios_of
from lab.processes import Process
from lab.scenarios.cast import Role, cast
from lab.scenarios.incidents import incident_of
from lab.scenarios.laws import Laws
from lab.scenarios.machines import Foresight
from lab.scenarios.modes import DEFAULT_SCHEDULER, MODES, TUNED_CONFIGURATION, TUNED_SCHEDULER, Mode
from lab.scenarios.omniscience import Omniscience
from lab.scenarios.sights import Finding
from lab.scenarios.trial import Trial
from lab.scenarios.verdicts import Case, complaints
from lab.stage import Stage
from lab.stories import Story
from lab.toolchain import Programs
from model.errors import InvalidInput

ALL = "all"


@dataclass(frozen=True, slots=True)
class Selection:
    """What is to be run. `speed` None means the scenarios' own."""

    names: Sequence[str]
    seeds: Sequence[int]
    speed: float | None = None
    modes: Sequence[Mode] = MODES


class Suite:
    """Made for one set of constants."""

    def __init__(self, constants: Constants, progress: Callable[[str], None] = lambda _: None) -> None:
        self._constants = constants
        self._scenarios = scenarios_of(constants)
        self._progress = progress

    def named(self, name: str) -> list[str]:
        """The stories of that name, or all; InvalidInput where there is none."""
        known = self._scenarios.stories()
        if name != ALL and name not in known:
            raise InvalidInput(f"there is no scenario {name!r}; choose {ALL} or one of {', '.join(known)}")
        return list(known) if name == ALL else [name]

    async def run(self, programs: Programs, selection: Selection) -> list[Case]:
        """In the order of the names, each with every seed, all on one stage."""
        stories = self._scenarios.stories()
        async with Stage.start(programs, selection.speed or self._scenarios.speed, self._progress) as stage:
            await stage.control_plane.start_scheduler(TUNED_SCHEDULER, TUNED_CONFIGURATION)
            return [
                await self.tell(stage, name, stories[name], seed, selection.modes)
                for name in selection.names
                for seed in selection.seeds
            ]

    async def tell(self, stage: Stage, name: str, story: Story, seed: int, modes: Sequence[Mode]) -> Case:
        """One story in these modes, on a stage that stands, and the omniscient placement after them."""
        constants = self._constants.model_copy(update={"seed": seed})
        roles, findings = cast(constants, name, story), dict[str, Finding]()
        for mode in modes:
            await _only(stage.control_plane.schedulers, mode)
            trial = Trial(stage, constants, self._scenarios, mode, lambda text: self._progress(f"{name}: {text}"))
            findings[mode.name] = await trial.run(story, roles, incident_of(story, constants))
        self._progress(f"{name}: computing the omniscient placement")
        scene_seconds = max(finding.scene_seconds for finding in findings.values())
        machines = Foresight(constants, story, scene_seconds).machines()
        omniscience = Omniscience(Laws(constants), machines, [role.candidate for role in roles], stage.speed)
        case = Case(
            name=name,
            story=story,
            seed=seed,
            speed=stage.speed,
            max_hold_seconds=self._scenarios.max_hold_seconds,
            findings=findings,
            omniscient=omniscience.place(_chosen(findings, roles)),
        )
        self._progress(f"{name}: {'; '.join(complaints(case)) or 'held'}")
        return case


async def _only(schedulers: Mapping[str, Process], mode: Mode) -> None:
    """Let no other schedulers run than the mode needs: one that idles still follows every change of every pod.

    The cluster's own always runs, since the fleet's DaemonSet is its to place.
    """
    needed = {DEFAULT_SCHEDULER, mode.scheduler}
    for name, process in schedulers.items():
        if process.running and name not in needed:
            await process.stop()
        elif not process.running and name in needed:
            await process.start()


def _chosen(findings: Mapping[str, Finding], roles: Sequence[Role]) -> Iterator[list[tuple[str, float] | None]]:
    """Where and when the trials bound the pods."""
    for finding in findings.values():
        spots = {sight.name: (sight.node, sight.bound_at) for sight in finding.sights}
        yield [None if node is None or at is None else (node, at) for node, at in (spots[role.name] for role in roles)]
