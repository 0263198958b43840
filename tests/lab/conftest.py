"""What the tests of the main path share: one stage with a small fleet, started by the first test to want it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from lab.constants import Constants, load_constants
from lab.stage import Stage
from lab.toolchain import Programs
from tests.lab.installed import Installation


@pytest.fixture(scope="session")
def constants() -> Constants:
    """Those that Stoker ships."""
    return load_constants()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def installation(programs: Programs, constants: Constants) -> AsyncIterator[Installation]:
    """Held by a task of its own: the stage hears SIGTERM through the task that started it."""
    standing: asyncio.Future[Installation] = asyncio.get_running_loop().create_future()
    over = asyncio.Event()

    async def hold() -> None:
        async with (
            Stage.start(programs, constants.speed, webhook_options=("--certificate-check-seconds", "1")) as stage,
            Installation.start(stage, constants) as installed,
        ):
            standing.set_result(installed)
            await over.wait()

    holder = asyncio.create_task(hold())
    await asyncio.wait((holder, standing), return_when=asyncio.FIRST_COMPLETED)
    if not standing.done():
        await holder
    yield standing.result()
    over.set()
    await holder
