"""Work that goes on while a process of `stoker serve` lives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

Background = Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]]
"""Begins work of this name; it is ended with the process."""


async def end(task: asyncio.Task[None]) -> None:
    """Cancel it and wait for its end, while what it needs is still there."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
