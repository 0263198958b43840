"""What people are told of a gated pod: an event on it and a line of the log, once for each thing there is to say."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Container
from dataclasses import dataclass
from math import inf
from time import monotonic
from typing import Final

from cluster import wire
from cluster.events import PodEvent
from model import names
from placement.ownership import Fate
from placement.verdicts import Hold, LetThrough, Nominate

log = logging.getLogger(__name__)

AGAIN_WALL_SECONDS: Final = 1.0
"""The least between two annotations of what a pod waits for: a forecast may waver between nodes that are about as good.
`stoker explain` reads them."""

AGAIN_EVENT_WALL_SECONDS: Final = 15.0
"""The least between two events of it, and between two tries to tell one. No two of them read the same, since they tell
what is left, so neither the recorder nor the API server would take them for one."""

HELD: Final = "Held"
NOMINATED: Final = "Nominated"
OPENED: Final = "GateOpened"
CLEARED: Final = "NominationCleared"
REASONS: Final = (HELD, NOMINATED, OPENED, CLEARED)
"""Reasons of the events."""


@dataclass(slots=True)
class _Told:
    """Of what a pod waits for: what was annotated last, and when; when an event was last tried, whether one is owed."""

    subject: str = ""
    annotated: float = -inf
    tried: float = -inf
    owes_event: bool = False


class Notices:
    """`emit` takes events without waiting, and says whether it took one. That a pod is held is owed until it did."""

    def __init__(self, emit: Callable[[PodEvent], bool], *, clock: Callable[[], float] = monotonic) -> None:
        self._emit = emit
        self._clock = clock
        self._told: defaultdict[str, _Told] = defaultdict(_Told)

    def forget(self, waiting: Container[str]) -> None:
        """Keep what was told of these pods, by uid, alone."""
        for uid in [uid for uid in self._told if uid not in waiting]:
            del self._told[uid]

    def is_news(self, pod: wire.Pod, hold: Hold) -> bool:
        """Whether people were told of another node or reason last, and not just now; from now on they are."""
        told, now, subject = self._told[pod.metadata.uid], self._clock(), f"{hold.waits_for} {hold.reason}"
        is_changed = told.subject != subject and now - told.annotated >= AGAIN_WALL_SECONDS
        if not is_changed and not (told.owes_event and now - told.tried >= AGAIN_EVENT_WALL_SECONDS):
            return False
        told.subject, told.annotated, told.owes_event = subject, now, False
        return True

    def not_told(self, pod: wire.Pod) -> None:
        """The telling failed: it is news again in a while."""
        told = self._told[pod.metadata.uid]
        told.subject, told.annotated = "", self._clock()

    def held(self, pod: wire.Pod, hold: Hold, seconds_left: float) -> None:
        """It is annotated. The event follows, or is owed where there was one lately or it is not taken."""
        told, now = self._told[pod.metadata.uid], self._clock()
        told.owes_event = now - told.tried < AGAIN_EVENT_WALL_SECONDS
        if told.owes_event:
            return
        told.tried = now
        message = f"{hold.describe()}; the gate opens in {seconds_left:.0f} s in any case"
        told.owes_event = not self._tell(pod, HELD, message, hold.forecast.to_json())

    def opened(self, pod: wire.Pod, verdict: Nominate | LetThrough) -> None:
        if isinstance(verdict, Nominate):
            self._tell(pod, NOMINATED, verdict.describe(), verdict.forecast.to_json())
        else:
            self._tell(pod, OPENED, verdict.describe())

    def cleared(self, pod: wire.Pod, fate: Fate) -> None:
        self._tell(pod, CLEARED, f"node {pod.status.nominated_node_name}: {fate.describe()}")

    def _tell(self, pod: wire.Pod, reason: str, message: str, forecast: str = "") -> bool:
        annotations = ((names.FORECAST_ANNOTATION, forecast),) if forecast else ()
        metadata = pod.metadata
        log.info("%s", reason, extra={"fields": {"pod": metadata.key, "why": message}})
        return self._emit(PodEvent(metadata.namespace, metadata.name, metadata.uid, reason, message, annotations))
