"""A short scenario on the real control plane: every mode, the real scheduler, the simulated fleet."""

from __future__ import annotations

import pytest
import pytest_asyncio

from lab.constants import Constants, load_constants
from lab.scenarios.cast import cast
from lab.scenarios.laws import Laws
from lab.scenarios.machines import Foresight
from lab.scenarios.modes import MODES, TUNED_CONFIGURATION, TUNED_SCHEDULER
from lab.scenarios.replay import Replay
from lab.scenarios.report import report
from lab.scenarios.sights import Finding
from lab.scenarios.suite import Suite
from lab.scenarios.verdicts import Case, p95, stuck_pods
from lab.stage import Stage
from lab.stories import Story
from lab.toolchain import Programs
from tests.lab.scenarios.stories import story

pytestmark = pytest.mark.controlplane

PODS = 14
SPEED = 20.0


@pytest.fixture(scope="module")
def shipped() -> Constants:
    return load_constants()


@pytest.fixture(scope="module")
def short() -> Story:
    """The mixed fleet with fewer pods."""
    return story("mixed-fleet").model_copy(update={"pods": PODS, "over_seconds": 20})


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def told(programs: Programs, shipped: Constants, short: Story) -> Case:
    async with Stage.start(programs, SPEED) as stage:
        await stage.control_plane.start_scheduler(TUNED_SCHEDULER, TUNED_CONFIGURATION)
        return await Suite(shipped).tell(stage, "mixed-fleet", short, shipped.seed, MODES)


def finding(told: Case, mode: str) -> Finding:
    return told.findings[mode]


async def test_every_mode_brings_its_pods_up(told: Case) -> None:
    (entry,) = report([told])["scenarios"]
    assert {name: figures["pending"] for name, figures in entry["modes"].items()} == dict.fromkeys(
        ("plain", "tuned", "extender", "nomination", "omniscient"), 0
    )


async def test_nominated_pods_wait_at_a_gate_and_go_to_the_node_that_was_named(told: Case) -> None:
    sights = finding(told, "nomination").sights
    assert all(sight.gate_wall_seconds > 0 for sight in sights)
    assert {sight.name for sight in sights if sight.nominated_node == sight.node} == {sight.name for sight in sights}
    assert stuck_pods(told) == []


async def test_no_sandbox_fails_where_stoker_nominates(told: Case) -> None:
    assert sum(sight.failed_sandboxes for sight in finding(told, "nomination").sights) == 0


async def test_the_nomination_is_nearer_to_omniscience_than_the_plain_scheduler(told: Case) -> None:
    entry = report([told])["scenarios"][0]
    assert entry["avoidable"]["nomination"] < entry["avoidable"]["plain"] / 2


async def test_plain_pods_are_not_touched_by_stoker(told: Case) -> None:
    for mode in ("plain", "tuned"):
        assert not any(sight.gate_wall_seconds or sight.nominated_node for sight in finding(told, mode).sights)


@pytest.mark.parametrize("mode", ["tuned", "nomination"])
async def test_the_replay_of_a_trial_says_what_the_simulation_did(
    told: Case, shipped: Constants, short: Story, mode: str
) -> None:
    candidates = {role.name: role.candidate for role in cast(shipped, "mixed-fleet", short)}
    errors = []
    for machine in Foresight(shipped, short, finding(told, mode).scene_seconds).machines():
        sights = [sight for sight in finding(told, mode).sights if sight.node == machine.name]
        starts = Replay(Laws(shipped), machine).run([(candidates[item.name], item.bound_at or 0.0) for item in sights])
        for sight, start in zip(sights, starts, strict=True):
            assert sight.kubelet_seconds is not None
            assert sight.bound_at is not None
            errors.append(abs(start.ready - sight.bound_at - sight.kubelet_seconds))
    assert (p95(errors) or 0.0) < 1.0
