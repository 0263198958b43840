"""The dialogue with a scheduler: it asks about a pod, is answered from the snapshot, and the watch shows its choice."""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import monotonic
from typing import Final

from cachetools import TTLCache

from cluster import wire
from cluster.clock import Clock
from cluster.events import PodEvent
from cluster.fleet import Fleet
from cluster.tenancy import Tenancy
from cluster.translation import pod_needs
from extender import metrics
from extender.expectations import ExpectedStarts
from extender.verdicts import Priorities, neutral, priorities, refusals
from model import names
from model.forecast import Forecast, forecast
from model.nodes import NodeFacts
from model.profiles import TenantProfile

log = logging.getLogger(__name__)

ANSWERED_SECONDS: Final = 30.0
ANSWERS_REMEMBERED: Final = 10_000
NODES_REMEMBERED: Final = 16
"""Of each answer, the forecasts of so many best nodes are kept until the choice is seen, so that the event on the pod
tells the very forecast that decided."""


class Scheduling:
    """Answers filter and prioritize, and follows what became of it.

    `emit` takes the event that tells a pod's forecast once its binding is seen.
    """

    def __init__(self, tenancy: Tenancy, fleet: Fleet, clock: Clock, emit: Callable[[PodEvent], None]) -> None:
        self._tenancy = tenancy
        self._fleet = fleet
        self._clock = clock
        self._emit = emit
        self._expected = ExpectedStarts()
        self._answers: TTLCache[str, dict[str, Forecast]] = TTLCache(
            ANSWERS_REMEMBERED, ANSWERED_SECONDS, timer=monotonic
        )
        fleet.on_binding(self._bound)

    def filter(self, pod: wire.Pod, node_names: list[str]) -> dict[str, str]:
        """The nodes that can never run the pod; none while the snapshot cannot be relied on."""
        profile, basis = self._profile_of(pod)
        if profile is None:
            metrics.ANSWERS.labels("filter", basis).inc()
            return {}
        nodes = [self._fleet.node(name) for name in node_names]
        refused = refusals(pod_needs(pod, self._tenancy.handler_of), nodes, self._clock.now())
        metrics.ANSWERS.labels("filter", basis).inc()
        metrics.NODES_REFUSED.inc(len(refused))
        return refused

    def prioritize(self, pod: wire.Pod, node_names: list[str]) -> Priorities:
        """Scores for every node asked about, and an expected start on the best of them."""
        profile, basis = self._profile_of(pod)
        if profile is None:
            metrics.ANSWERS.labels("prioritize", basis).inc()
            return neutral(node_names)
        metrics.EXPECTED_STARTS.labels("not seen in time").inc(self._expected.expire(monotonic()))
        self._expected.forget(pod.metadata.uid)
        nodes = [self._node(name) for name in node_names]
        needs = pod_needs(pod, self._tenancy.handler_of)
        result = priorities(needs, profile.spec, nodes, self._fleet, self._clock.now())
        self._remember(pod, result)
        metrics.ANSWERS.labels("prioritize", basis).inc()
        return result

    def _node(self, name: str) -> NodeFacts | None:
        node = self._fleet.node(name)
        return None if node is None else node.with_more_starting(self._expected.on(name))

    def _profile_of(self, pod: wire.Pod) -> tuple[TenantProfile | None, str]:
        """The profile that forecasts the pod, and what an answer rests on with it, or without."""
        if self._fleet.ready() is not None:
            return None, "neutral: snapshot not reliable"
        name = pod.metadata.annotations.get(names.PROFILE_ANNOTATION)
        if name is None:
            return None, "neutral: not a tenant's pod"
        profile = self._tenancy.profile(name)
        return (profile, "forecast") if profile else (None, "neutral: unknown profile")

    def _remember(self, pod: wire.Pod, result: Priorities) -> None:
        best = result.best
        self._expected.expect(pod.metadata.uid, best, monotonic())
        wanted = set(best[:NODES_REMEMBERED])
        forecasts = {item.node: item for item in result.forecasts if item is not None and item.node in wanted}
        self._answers[pod.metadata.uid] = forecasts

    def _bound(self, pod: wire.Pod) -> None:
        """The watch shows where a pod went: if it was scored here, tell its forecast."""
        answer = self._answers.pop(pod.metadata.uid, None)
        if self._expected.forget(pod.metadata.uid):
            metrics.EXPECTED_STARTS.labels("seen bound").inc()
        if answer is None:
            return
        told = answer.get(pod.spec.node_name) or self._forecast_now(pod)
        if told is not None:
            self._tell(pod, told)

    def _forecast_now(self, pod: wire.Pod) -> Forecast | None:
        """The forecast for a node that was not among the best; the pod itself is starting there by now."""
        profile, _ = self._profile_of(pod)
        node = self._fleet.node(pod.spec.node_name)
        if profile is None or node is None:
            return None
        needs = pod_needs(pod, self._tenancy.handler_of)
        return forecast(needs, node.with_more_starting(-1.0), profile.spec, self._fleet, self._clock.now())

    def _tell(self, pod: wire.Pod, told: Forecast) -> None:
        for term in told.terms:
            metrics.FORECAST_SECONDS.labels(term.name).observe(term.seconds)
        metrics.FORECAST_SECONDS.labels("total").observe(told.seconds)
        log.info(
            "pod placed",
            extra={"fields": {"pod": pod.metadata.key, "node": told.node, "forecast": told.to_json()}},
        )
        annotations = ((names.FORECAST_ANNOTATION, told.to_json()),)
        metadata = pod.metadata
        self._emit(PodEvent(metadata.namespace, metadata.name, metadata.uid, "Forecast", told.describe(), annotations))
