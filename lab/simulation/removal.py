"""Deleting what a fleet created."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from contextlib import suppress
from typing import Final

from cluster.client import ApiClient
from model.errors import NotFound

CONCURRENCY: Final = 16


async def delete_pods(api: ApiClient, nodes: Collection[str]) -> None:
    """At once and without a kubelet's help, those that are bound to these nodes."""
    pods = await api.get("/api/v1/pods")
    bound = [pod["metadata"] for pod in pods["items"] if pod["spec"].get("nodeName") in nodes]
    await delete_all(api, (f"/api/v1/namespaces/{pod['namespace']}/pods/{pod['name']}" for pod in bound))


async def delete_all(api: ApiClient, paths: Iterable[str]) -> None:
    """Objects that are gone already are passed over."""
    slots = asyncio.Semaphore(CONCURRENCY)

    async def delete(path: str) -> None:
        async with slots:
            with suppress(NotFound):
                await api.delete(path, {"gracePeriodSeconds": 0})

    await asyncio.gather(*(delete(path) for path in paths))
