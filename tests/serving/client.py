"""An application behind a real listener on loopback, and a client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import ClientSession

from serving.addresses import Address
from serving.apps import App
from serving.listener import Listener

LOOPBACK = Address("127.0.0.1", 0)


@asynccontextmanager
async def client_of(app: App, **options: Any) -> AsyncIterator[ClientSession]:
    """`options` are the listener's."""
    listener = Listener(app, LOOPBACK, **options)
    await listener.start()
    try:
        async with ClientSession(f"http://{listener.address}") as client:
            yield client
    finally:
        await listener.drain(1.0)
