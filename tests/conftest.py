"""What tests of several rooms share: one real control plane for the whole run, started by the first test to want it."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator
from pathlib import Path

import hypothesis
import pytest
import pytest_asyncio

from lab.controlplane import ControlPlane
from lab.toolchain import Programs, find_or_build

# A busy machine is no finding; and continuous integration judges a change, so it tries the same examples every time.
hypothesis.settings.register_profile("stoker", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("stoker")

_numbers = itertools.count(1)


def namespace_name(prefix: str = "test") -> str:
    """A name no other test uses; making the namespace is up to the test."""
    return f"{prefix}-{os.getpid()}-{next(_numbers)}"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def programs() -> Programs:
    return await asyncio.to_thread(find_or_build)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def control_plane(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ControlPlane]:
    """With kube-controller-manager, without a scheduler; a test starts schedulers of its own names and stops them."""
    directory: Path = tmp_path_factory.mktemp("control-plane")
    running = await ControlPlane.up(directory, programs)
    yield running
    await running.down()
