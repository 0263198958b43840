"""What the tests of the main path share: one stage with a small fleet, started by the first test to want it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from lab.constants import Constants, load_constants
from lab.toolchain import Programs
from tests.lab.installed import Installation, installed


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
        async with installed(programs, constants) as installation:
            standing.set_result(installation)
            await over.wait()

    holder = asyncio.create_task(hold())
    await asyncio.wait((holder, standing), return_when=asyncio.FIRST_COMPLETED)
    if not standing.done():
        await holder
    yield standing.result()
    over.set()
    await holder
