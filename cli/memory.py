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
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cluster.snapshot import Snapshot

LISTING_THRESHOLD: Final = 200_000
"""Objects more than were freed, before the collector looks while lists are read: what the lists leave of a large
cluster. It is not switched off, since the lists may never become whole."""

TRIM_SECONDS: Final = 60.0
"""Between two trims: some tenths of a millisecond where nothing is to be given back, 40 ms where it is 200 MiB."""

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
    gc.collect()  # of nothing: it waits for a quarter as many objects as the last one left, which are to be few
    gc.set_threshold(*_USUAL)


async def keep_trim(*, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
    """Until cancelled, where the C library is glibc; others give back by themselves what is free."""
    give_back = getattr(ctypes.CDLL(None), "malloc_trim", None)
    while give_back is not None:
        give_back(0)
        await sleep(TRIM_SECONDS)
