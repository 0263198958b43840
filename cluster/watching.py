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
SHORT_BACKOFF_SECONDS: Final = 2.0
"""The longest for what is asked for more often (`Resource.is_small`)."""

BATCH_BYTES: Final = 1 << 16
"""What is made of so much JSON still fits a processor's second-level cache; in larger pieces a list takes longer."""


async def batches(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Whole lines of any length, those that came together together, but not much more than `BATCH_BYTES` of them.

    One that is cut off at the end is left out.
    """
    parts: list[bytes] = []
    async for chunk in chunks:
        begin = 0
        while end := _end_of_batch(chunk, begin):
            yield b"".join((*parts, memoryview(chunk)[begin:end]))
            parts.clear()
            begin = end
        if begin < len(chunk):
            parts.append(chunk[begin:])


def _end_of_batch(chunk: bytes, begin: int) -> int:
    """Behind the last line end within the size, else behind the next one; 0 where there is none."""
    return (chunk.rfind(b"\n", begin, begin + BATCH_BYTES) + 1) or (chunk.find(b"\n", begin) + 1)


def lines(batch: bytes) -> list[bytes]:
    """The lines in it that are not blank."""
    return [line for line in batch.split(b"\n") if line.strip()]


def watch_error(resource: str, raw: msgspec.Raw) -> ApiError:
    status = msgspec.json.decode(raw, type=wire.Status)
    kind = Expired if status.code == 410 else ApiError
    return kind(f"watch of {resource}: {status.code} {status.message}", status=status.code, reason=status.reason)


def is_older(version: str, than: str) -> bool:
    """Versions of one resource are decimal numbers that can be compared (KEP-5504); of others nothing is known."""
    return version.isdecimal() and than.isdecimal() and int(version) < int(than)


def backoff(failures: int, longest_seconds: float) -> float:
    """Doubling from the first to the longest, then spread over half to the whole of it; seconds."""
    doublings = min(failures - 1, 10)  # far beyond the longest; the power of a large number would overflow
    longest = min(FIRST_BACKOFF_SECONDS * 2.0**doublings, longest_seconds)
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads reconnects, guards nothing
