"""A Lease to run for."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.cluster.election import Api


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    made = Api()
    yield made
    await made.close()
