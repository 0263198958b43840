"""Telling what was chosen: the forecast as measures, as a line of the log and as an event on the pod.

It takes longer than an answer, nobody waits for it, and on a small machine the scheduler wants the same processors. So
a choice is put down with what its forecast rests on, and worked out and told once no scheduler asks any more.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Final

from cluster import wire
from cluster.events import PodEvent
from extender import metrics
from model import names
from model.forecast import Forecast, forecast
from model.nodes import NodeFacts
from model.pods import PodNeeds
from model.profiles import ProfileSpec

log = logging.getLogger(__name__)

CHOICES_WAITING: Final = 1_000
"""Beyond these the oldest is told at once: what waits is bounded, and nothing is left out."""

LONGEST_WAIT_SECONDS: Final = 10.0
QUIET_CHECK_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class KnownSizes:
    """The sizes of images in bytes as they were at one moment, on one architecture."""

    by_image: Mapping[str, int | None]

    def bytes_of(self, image: str, architecture: str) -> int | None:  # noqa: ARG002 - they are of but one
        return self.by_image[image]


@dataclass(frozen=True, slots=True)
class Choice:
    """A pod that is bound to a node, and what the forecast for it there rests on."""

    pod: wire.Metadata
    """Its name, namespace and uid alone: many choices wait, and a pod's annotations may have 256 KiB."""

    needs: PodNeeds
    profile: ProfileSpec
    node: NodeFacts
    more_starting: float
    """Starts besides those that the facts of the node tell; the pod's own, where they count it, is taken off."""

    sizes: KnownSizes
    """Of the pod's images, and of those that the node pulls."""

    now: float

    def forecast(self) -> Forecast:
        node = self.node.with_more_starting(self.more_starting)
        return forecast(self.needs, node, self.profile, self.sizes, self.now)


class Telling:
    """Tells choices in their order. `is_busy` says whether a scheduler is at work; `wall` is a monotonic clock.

    `emit` takes the events, or drops what is too many.
    """

    def __init__(
        self,
        emit: Callable[[PodEvent], object],
        is_busy: Callable[[], bool],
        *,
        wall: Callable[[], float] = monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._emit = emit
        self._is_busy = is_busy
        self._wall = wall
        self._sleep = sleep
        self._waiting: deque[tuple[float, Choice]] = deque()
        self._news = asyncio.Event()

    def put_down(self, choice: Choice) -> None:
        """It is told within `LONGEST_WAIT_SECONDS`, however busy the scheduler is."""
        if len(self._waiting) >= CHOICES_WAITING:
            self._tell_oldest()
        self._waiting.append((self._wall(), choice))
        self._news.set()

    async def run(self) -> None:
        """Tell until cancelled, and then all that waits."""
        try:
            while True:
                await self._news.wait()
                await self._tell_in_peace()
                self._news.clear()
        finally:
            while self._waiting:
                self._tell_oldest()

    async def _tell_in_peace(self) -> None:
        """One in each turn of the event loop, so that a request that comes is answered before the next."""
        while self._waiting:
            since, _ = self._waiting[0]
            if self._is_busy() and self._wall() - since < LONGEST_WAIT_SECONDS:
                await self._sleep(QUIET_CHECK_SECONDS)
            else:
                self._tell_oldest()
                await asyncio.sleep(0)

    def _tell_oldest(self) -> None:
        _, choice = self._waiting.popleft()
        try:
            tell(choice, self._emit)
        except Exception:
            # One that cannot be told must not keep the others from it.
            log.exception("a choice could not be told", extra={"fields": {"pod": choice.pod.key}})


def tell(choice: Choice, emit: Callable[[PodEvent], object]) -> None:
    """Tell the forecast that a choice came with."""
    told, pod = choice.forecast(), choice.pod
    for term in told.terms:
        metrics.forecast_seconds(term.name).observe(term.seconds)
    metrics.forecast_seconds("total").observe(told.seconds)
    text = told.to_json()
    log.info("pod placed", extra={"fields": {"pod": pod.key, "node": told.node, "forecast": text}})
    annotations = ((names.FORECAST_ANNOTATION, text),)
    emit(PodEvent(pod.namespace, pod.name, pod.uid, "Forecast", told.describe(), annotations))
