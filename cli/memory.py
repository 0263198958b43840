"""The garbage collector of a serving process: out of the way while the first lists are read, and of what they built.

What the watches replace is freed by its count of references; a full collection of it finds nothing, and with 5,000
nodes stops everything for a quarter of a second, as a rule in the midst of a burst.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cluster.snapshot import Snapshot

LISTING_THRESHOLD: Final = 200_000
"""Objects more than were freed, before the collector looks while lists are read: what the lists leave of a large
cluster. It is not switched off, since the lists may never become whole."""

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
