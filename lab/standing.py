"""A lab that stands until it is taken down: `stoker lab up` and `stoker lab down`.

A supervising process holds the control plane, Stoker and the fleet; when it ends, however it ends, all of them do. It
holds a lock while it lives, and a state file says how to reach the lab and whom to stop.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from lab.constants import Constants
from lab.directories import held, is_held
from lab.scene import SETUP_WALL_SECONDS, Scene, sample_profile
from lab.simulation.fleet import Fleet
from lab.stage import Stage
from lab.toolchain import cache_directory, find_or_build
from lab.workload import built_in
from model.errors import LabError

UP_SECONDS: Final = 180.0
DOWN_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.2


class LabState(msgspec.Struct, frozen=True):
    """How to reach the standing lab."""

    pid: int
    kubeconfig: str
    kubectl: str
    speed: float
    logs: str


def state_directory() -> Path:
    return cache_directory() / "lab"


def read_state() -> LabState | None:
    """The lab that stands now; None where none does."""
    if not is_held(_lock()):
        return None
    try:
        return msgspec.json.decode(_state_file().read_bytes(), type=LabState)
    except (OSError, msgspec.MsgspecError):
        return None


def up(arguments: Sequence[str]) -> LabState:
    """Start the supervisor (`stoker lab hold` with `arguments`) in the background; returns when the lab stands."""
    if is_held(_lock()):
        raise LabError("a lab stands already; use it, or take it down with `stoker lab down`")
    state_directory().mkdir(parents=True, exist_ok=True)
    _state_file().unlink(missing_ok=True)
    log = state_directory() / "hold.log"
    with log.open("wb") as output:
        supervisor = subprocess.Popen(  # noqa: S603 - this very program
            [sys.executable, "-m", "cli.main", "lab", "hold", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        return _wait_until_it_stands(supervisor, log)
    except BaseException:  # Ctrl-C too: nobody would know of a supervisor that went on
        supervisor.terminate()
        supervisor.wait()
        raise


def _wait_until_it_stands(supervisor: subprocess.Popen[bytes], log: Path) -> LabState:
    deadline = time.monotonic() + UP_SECONDS
    while time.monotonic() < deadline:
        if (state := read_state()) is not None:
            return state
        if supervisor.poll() is not None:
            raise LabError(f"the lab ended before it stood; {log} ends with:\n{_tail(log)}")
        time.sleep(POLL_SECONDS)
    raise LabError(f"the lab did not stand after {UP_SECONDS:.0f} s; {log} ends with:\n{_tail(log)}")


def down() -> bool:
    """Take the standing lab down; False where none stood. LabError where its supervisor does not end."""
    state = read_state()
    if state is None and not is_held(_lock()):
        return False
    if state is None:
        raise LabError("a lab is being started just now; try again in a moment")
    os.kill(state.pid, signal.SIGTERM)
    deadline = time.monotonic() + DOWN_SECONDS
    while is_held(_lock()):
        if time.monotonic() > deadline:
            os.kill(state.pid, signal.SIGKILL)
            raise LabError(f"the lab's supervisor {state.pid} did not end within {DOWN_SECONDS:.0f} s and was killed")
        time.sleep(POLL_SECONDS)
    _state_file().unlink(missing_ok=True)
    return True


async def hold(constants: Constants, speed: float, progress: Callable[[str], None]) -> None:
    """Be the supervisor: a stage, the demo's fleet, the sample profile and its tenant's namespace, until SIGTERM."""
    state_directory().mkdir(parents=True, exist_ok=True)
    programs = find_or_build()
    with held(_lock()):
        async with Stage.start(programs, speed, progress) as stage:
            profile = sample_profile(constants)
            await stage.apply([profile])
            async with Fleet.start(stage.client, constants, speed=speed) as fleet:
                progress("simulating the fleet")
                await fleet.wait_until_ready(SETUP_WALL_SECONDS)
                scene = Scene(stage.client, constants)
                await scene.place_residents(fleet)
                await scene.opt_in(built_in(constants, profile["metadata"]["name"]), opted_in=True)
                await scene.play(fleet)
                plane = stage.control_plane
                state = LabState(
                    pid=os.getpid(),
                    kubeconfig=str(plane.admin_kubeconfig),
                    kubectl=str(programs.kubectl),
                    speed=speed,
                    logs=str(plane.directory / "logs"),
                )
                _state_file().write_bytes(msgspec.json.encode(state))
                await asyncio.Event().wait()


def _lock() -> Path:
    return state_directory() / "lock"


def _state_file() -> Path:
    return state_directory() / "state.json"


def _tail(path: Path) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-20:])
