"""A program that holds a control plane until it is told to end: a subject for signals. Arguments: the five programs."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from lab.commandlines import ControlPlaneSettings
from lab.controlplane import ControlPlane
from lab.toolchain import Programs


async def hold(programs: Programs) -> None:
    async with ControlPlane.start(programs, ControlPlaneSettings(controller_manager=False)) as control_plane:
        print(control_plane.directory, flush=True)  # noqa: T201 - how the test learns of it
        await asyncio.Event().wait()


if __name__ == "__main__":
    # A shell starts background jobs with SIGINT ignored, and what is ignored is inherited: here it is to be received.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        asyncio.run(hold(Programs(*map(Path, sys.argv[1:]))))
    except KeyboardInterrupt:
        sys.exit(130)
