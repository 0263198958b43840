"""The dialogue with a scheduler: it asks about a pod, is answered from the snapshot, and the watch shows its choice."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Final

import numpy as np
from cachetools import TTLCache

from cluster import wire
from cluster.clock import Clock
from cluster.fleet import Fleet
from cluster.tenancy import Tenancy
from cluster.translation import pod_needs
from extender import metrics
from extender.asked import NEUTRAL_STEPS, AskedNodes
from extender.columns import Rows
from extender.expectations import ExpectedStarts
from extender.outlook import Outlook, Outlooks, steps_below_best
from extender.roster import Roster
from extender.telling import Choice, KnownSizes
from model import names
from model.nodes import NodeFacts
from model.profiles import TenantProfile
from model.runtime import ABSENT

log = logging.getLogger(__name__)

SLICE: Final = 20
"""Nodes whose changes are taken in before others get the event loop: about a millisecond's work."""

ASKED_SECONDS: Final = 0.5
"""A scheduler that asked so lately has more pods to place."""

ANSWERED_SECONDS: Final = 30.0
ANSWERS_REMEMBERED: Final = 10_000
NODES_REMEMBERED: Final = 16
"""Of each answer, the forecasts of so many best nodes are kept until the choice is seen, so that the event on the pod
tells the very forecast that decided."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the forecasts for the best nodes rested on: of all these, one is told once the choice is seen."""

    outlook: Outlook
    now: float
    nodes: list[NodeFacts | None]
    shares: list[float]

    def about(self, name: str) -> tuple[NodeFacts, float, float] | None:
        """A node's facts, how many more starts were expected there, and when; None for one that is not remembered."""
        for node, share in zip(self.nodes, self.shares, strict=True):
            if node is not None and node.name == name:
                return node, share, self.now
        return None


class Scheduling:
    """Answers filter and prioritize, and follows what became of it.

    `tell` takes a pod's choice once its binding is seen, and must be quick; `wall` is a monotonic clock.
    """

    def __init__(
        self,
        tenancy: Tenancy,
        fleet: Fleet,
        clock: Clock,
        tell: Callable[[Choice], None],
        *,
        wall: Callable[[], float] = monotonic,
    ) -> None:
        self.caught_up = asyncio.Event()
        """Set once what was known when `keep_up` began is taken in: a request before it would do all of that."""

        self._wall = wall
        self._tenancy = tenancy
        self._fleet = fleet
        self._clock = clock
        self._tell = tell
        self._asked_at = -math.inf
        self._change = asyncio.Event()
        self._roster = Roster(fleet, self._departed)
        self._outlooks = Outlooks(self._roster, fleet)
        self._expected = ExpectedStarts(self._roster.capacity)
        self._answers: TTLCache[str, _Answer] = TTLCache(ANSWERS_REMEMBERED, ANSWERED_SECONDS, timer=wall)
        fleet.on_binding(self._bound)
        fleet.on_change(self._change.set)

    @property
    def is_asked(self) -> bool:
        """Whether a scheduler is at work, whose bindings matter more to the API server than events do."""
        return self._wall() - self._asked_at < ASKED_SECONDS

    async def keep_up(self) -> None:
        """Take in changes as they come, in slices, so that a request finds few of them left even after a burst."""
        while True:
            self._change.clear()
            try:
                is_whole = False
                while not (is_whole and self._roster.is_fresh):
                    self._roster.refresh(SLICE)
                    is_whole = self._outlooks.catch_up(self._clock.now())
                    await asyncio.sleep(0)
            except Exception:
                # A request meets the same and is answered neutrally; the next change is another chance.
                log.exception("changes of nodes could not be taken in")
            self.caught_up.set()
            await self._change.wait()

    def filter(self, pod: wire.Pod, asked: AskedNodes) -> bytes:
        """The answer that refuses the nodes which never can run the pod; none while the snapshot is not reliable."""
        self._asked_at = self._wall()
        profile, basis = self._profile_of(pod)
        body = asked.passed() if profile is None else self._without_never(pod, profile, asked)
        metrics.answers("filter", basis).inc()
        return body

    def prioritize(self, pod: wire.Pod, asked: AskedNodes) -> bytes:
        """The answer with a score for every node asked about; a start is expected on the best of them."""
        self._asked_at = self._wall()
        profile, basis = self._profile_of(pod)
        if profile is None:
            metrics.answers("prioritize", basis).inc()
            return asked.neutral()
        if overdue := self._expected.expire(self._wall()):
            metrics.EXPECTED_STARTS.labels("not seen in time").inc(overdue)
        self._expected.forget(pod.metadata.uid)
        self._look_up(asked)
        outlook = self._outlooks.of(pod_needs(pod, self._tenancy.handler_of), profile)
        now = self._clock.now()
        seconds = outlook.seconds(asked.rows, self._expected.shares, now)
        steps = steps_below_best(seconds, asked.unknown, NEUTRAL_STEPS)
        self._remember(pod.metadata.uid, outlook, asked.rows[steps == 0], now)
        metrics.answers("prioritize", basis).inc()
        return asked.scored(self._roster, steps)

    def _without_never(self, pod: wire.Pod, profile: TenantProfile, asked: AskedNodes) -> bytes:
        self._look_up(asked)
        handler = self._tenancy.handler_of(pod.spec.runtime_class_name)
        never = np.isinf(self._outlooks.preparation(handler, profile).at(self._clock.now())[asked.rows])
        never[asked.unknown] = False
        if not never.any():
            return asked.passed()
        metrics.NODES_REFUSED.inc(int(never.sum()))
        return asked.filtered(self._roster, never, ABSENT.reason)

    def _look_up(self, asked: AskedNodes) -> None:
        self._roster.refresh()
        asked.find(self._roster)
        self._expected.grow(self._roster.capacity)

    def _departed(self, row: int) -> None:
        self._expected.vacate(row)

    def _profile_of(self, pod: wire.Pod) -> tuple[TenantProfile | None, str]:
        """The profile that forecasts the pod, and what an answer rests on with it, or without."""
        if self._fleet.ready() is not None:
            return None, "neutral: snapshot not reliable"
        name = pod.metadata.annotations.get(names.PROFILE_ANNOTATION)
        if name is None:
            return None, "neutral: not a tenant's pod"
        profile = self._tenancy.profile(name)
        return (profile, "forecast") if profile else (None, "neutral: unknown profile")

    def _remember(self, pod_uid: str, outlook: Outlook, best: Rows, now: float) -> None:
        """Before the pod itself is expected there, keep what its forecasts on the best nodes rest on."""
        first = best[:NODES_REMEMBERED]
        nodes = [self._roster.facts[row] for row in first.tolist()]
        shares = self._expected.shares[first].tolist()
        self._answers[pod_uid] = _Answer(outlook, now, nodes, shares)
        self._expected.expect(pod_uid, best, self._wall())

    def _bound(self, pod: wire.Pod) -> None:
        """The watch shows where a pod went: if it was scored here, tell its forecast."""
        uid = pod.metadata.uid
        # Of those that the first list brings, none was scored here, and a TTLCache takes long to pop what it lacks.
        answer = self._answers.pop(uid, None) if uid in self._answers else None
        if self._expected.forget(uid):
            metrics.EXPECTED_STARTS.labels("seen bound").inc()
        if answer is None:
            return
        choice = self._choice(pod, answer)
        if choice is not None:
            self._tell(choice)

    def _choice(self, pod: wire.Pod, answer: _Answer) -> Choice | None:
        """For a node that was not among the best, as things are now: the pod itself counts as starting there.

        None where nothing can be said of such a node: it is gone, or the snapshot is not reliable any more.
        """
        name, needs, profile = pod.spec.node_name, answer.outlook.needs, answer.outlook.profile
        known = self._fleet.node(name) if self._fleet.ready() is None else None
        node, more_starting, now = answer.about(name) or (known, -1.0, self._clock.now())
        if node is None:
            return None
        images = (*needs.images, *node.pulling)
        sizes = KnownSizes({image: self._fleet.bytes_of(image, node.architecture) for image in images})
        identity = wire.Metadata(pod.metadata.name, pod.metadata.namespace, pod.metadata.uid)
        return Choice(identity, needs, profile, node, more_starting, sizes, now)
