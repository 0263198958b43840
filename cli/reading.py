"""One look at the cluster for commands: the same snapshot that the service keeps, read once, with the user's rights."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from cli.options import Target
from model.errors import ConnectionFailed

if TYPE_CHECKING:
    from cluster.client import ApiClient
    from cluster.snapshot import Snapshot

READ_SECONDS: Final = 60.0


@asynccontextmanager
async def read_cluster(target: Target, time_scale: float) -> AsyncIterator[tuple[ApiClient, Snapshot]]:
    """The snapshot, synced. ApiError where the rights are lacking, ConnectionFailed after `READ_SECONDS`."""
    from cluster.clock import Clock
    from cluster.snapshot import Snapshot

    logging.getLogger("cluster").setLevel(logging.ERROR)  # a command's one sentence says what its log would
    async with await target.client() as client:
        await client.get("/version")  # an unreachable server is told at once, before the reflectors' patience
        snapshot = Snapshot(client, Clock(time_scale), with_fleet=True, with_leases=False)
        async with snapshot.following():
            try:
                async with asyncio.timeout(READ_SECONDS):
                    await snapshot.synced()
            except TimeoutError as error:
                raise ConnectionFailed(
                    f"the cluster could not be read within {READ_SECONDS:.0f} s: {snapshot.complaint()}"
                ) from error
            yield client, snapshot
