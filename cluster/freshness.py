"""How fresh the copy of a collection is, by what is heard of its watch, and whether that has to be told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from cluster.troubles import Troubles
from model.errors import StokerError

SILENT_SECONDS: Final = 150.0
"""A watch that brings no event or bookmark for so long (the server sends one about once a minute) counts as dead."""

BROKEN_SECONDS: Final = 30.0
"""A broken watch that could not be resumed or relisted for so long makes the copy stale."""

RESUMED_SECONDS: Final = 2.0
"""A watch that is open for so long counts as resumed, though it has brought nothing: that may take a minute."""


class Freshness:
    """Of the copy of one collection; seconds are those of `clock`."""

    def __init__(
        self, collection: str, troubles: Troubles, clock: Callable[[], float], *, silence_tells: bool = True
    ) -> None:
        """`silence_tells`: whether something must come all the time from a watch that is well."""
        self._collection = collection
        self._troubles = troubles
        self._clock = clock
        self._silence_tells = silence_tells
        self._heard_at = clock()
        self._closed_at = clock()
        self._away_seconds = 0.0
        """For how long since something was heard no watch was open: that is no silence of a watch."""

        self._is_open = False
        self._broken_since: float | None = None
        self._resumed_at: float | None = None
        """When the watch that is open now, or the last one, was resumed."""

    @property
    def silent_seconds(self) -> float:
        """Since something was heard."""
        return self._clock() - self._heard_at

    def complaint(self) -> str | None:
        """Why the copy cannot be relied on, or None: broken for too long, or silent for too long."""
        now = self._clock()
        if self._broken_since is not None and not self.is_resumed() and now - self._broken_since > BROKEN_SECONDS:
            return f"{self._collection}: stale, the watch has been broken for {now - self._broken_since:.0f} s"
        if self._silence_tells and self.silent_seconds - self._away_seconds > SILENT_SECONDS:
            return f"{self._collection}: stale, no event for {self.silent_seconds:.0f} s"
        return None

    @contextmanager
    def open(self, *, resumed: bool) -> Iterator[None]:
        """While a watch is open. One that is resumed is well all the same while it has nothing to bring."""
        self._resumed_at = self._clock() if resumed else None
        self._away_seconds += self._clock() - max(self._closed_at, self._heard_at)
        self._is_open = True
        try:
            yield
        finally:
            self._is_open = False
            self._closed_at = self._clock()

    def forget(self) -> None:
        """The watch of before: another one is about to be opened."""
        self._resumed_at = None

    def heard(self) -> None:
        """The watch has brought something. That alone is no end of a trouble: it may break again after each bit."""
        self._heard_at, self._away_seconds = self._clock(), 0.0
        self.look()

    def broken(self, error: StokerError | None = None) -> None:
        """Since now, unless it was broken before: a watch that breaks as soon as it is open was not resumed."""
        if self._broken_since is None or self.is_resumed():
            self._broken_since = self._clock()
        if error is not None:
            self._troubles.failed(self._who, error)

    def look(self) -> None:
        """Whether a broken watch is well again by now; it is since it was resumed, a minute ago where all is quiet."""
        if self._broken_since is not None and self.is_resumed():
            self._broken_since = None
            self._troubles.over(self._who, self._resumed_at)

    def whole(self) -> None:
        """The copy is like the collection."""
        self._broken_since = None
        self._troubles.over(self._who)

    def is_resumed(self) -> bool:
        """Whether the watch, or the last one, stayed open for long enough; what passes after its end does not count."""
        end = self._clock() if self._is_open else self._closed_at
        return self._resumed_at is not None and end - self._resumed_at >= RESUMED_SECONDS

    @property
    def _who(self) -> str:
        return f"watch of {self._collection}"
