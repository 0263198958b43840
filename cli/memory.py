"""The memory of a serving process.

The garbage collector is out of the way while the first lists are read, and of what they built: what the watches replace
is freed by its count of references; a full collection of it finds nothing, and with 5,000 nodes stops everything for a
quarter of a second, as a rule in the midst of a burst.

What is free goes back to the system. The C library keeps it: four thousand connections, each with the buffers of its
TLS, leave 200 MiB, and the next four thousand as much again beside them.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import resource
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cluster.snapshot import Snapshot

LISTING_THRESHOLD: Final = 200_000
"""Objects more than were freed, before the collector looks while lists are read: what the lists leave of a large
cluster. It is not switched off, since the lists may never become whole."""

LOOK_SECONDS: Final = 10.0
GROWTH: Final = 1.25
"""Of the resident memory, beyond which it is worth a collection and a trim: they may take some tens of milliseconds."""

_USUAL: Final = gc.get_threshold()


def spare_collections() -> None:
    """Before the first lists: what was imported is there for ever, and what is read now stays."""
    gc.freeze()
    gc.set_threshold(LISTING_THRESHOLD)


async def settle(snapshot: Snapshot) -> None:
    """When they are whole: take what they built out of the collector's sight, and let it look as often as usual.

    Of Leases and Events, which may be refused for good, nothing is waited for.
    """
    await snapshot.whole()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_USUAL)


def resident_bytes() -> int:
    """0 where the system does not tell it as Linux does."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return 0
    return int(pages) * resource.getpagesize()


def trim() -> None:
    """Frees what can be, and gives what is free back to the system; C libraries but glibc do so by themselves."""
    gc.collect()
    give_back = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if give_back is not None:
        give_back(0)


async def keep_trim(
    *,
    resident: Callable[[], int] = resident_bytes,
    trim: Callable[[], None] = trim,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Until cancelled. What is still there after a trim is in use, and the measure of the growth that follows."""
    used = resident()
    while True:
        await sleep(LOOK_SECONDS)
        if resident() > GROWTH * used:
            trim()
            used = resident()
        used = min(used, resident())
