"""The parts of a watch that know nothing of what is watched: its lines, its error object, its back-off."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from typing import Final

import msgspec

from cluster import wire
from model.errors import ApiError, Expired

FIRST_BACKOFF_SECONDS: Final = 0.25
LONGEST_BACKOFF_SECONDS: Final = 10.0


async def lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Lines of any length; one that is cut off at the end is left out."""
    parts: list[bytes] = []
    async for chunk in chunks:
        *complete, rest = chunk.split(b"\n")
        for line in complete:
            parts.append(line)
            if whole := b"".join(parts):
                yield whole
            parts.clear()
        if rest:
            parts.append(rest)


def watch_error(resource: str, raw: msgspec.Raw) -> ApiError:
    status = msgspec.json.decode(raw, type=wire.Status)
    kind = Expired if status.code == 410 else ApiError
    return kind(f"watch of {resource}: {status.code} {status.message}", status=status.code, reason=status.reason)


def is_older(version: str, than: str) -> bool:
    """Versions of one resource are decimal numbers that can be compared (KEP-5504); of others nothing is known."""
    return version.isdecimal() and than.isdecimal() and int(version) < int(than)


def backoff(failures: int) -> float:
    """Doubling from the first to the longest, then spread over half to the whole of it; seconds."""
    doublings = min(failures - 1, 10)  # far beyond the longest; the power of a large number would overflow
    longest = min(FIRST_BACKOFF_SECONDS * 2.0**doublings, LONGEST_BACKOFF_SECONDS)
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads reconnects, guards nothing
