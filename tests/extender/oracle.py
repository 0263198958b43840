"""The extender's answers without columns and without memory: each asked node is forecast anew, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from cluster import wire
from cluster.translation import pod_needs
from extender.expectations import EXPECTED_SECONDS, share_of
from model.forecast import Forecast, forecast
from model.names import PROFILE_ANNOTATION
from model.pods import PodNeeds
from model.profiles import ProfileSpec, TenantProfile
from model.runtime import RuntimeState, runtime_on
from model.score import BEST_SCORE, NEUTRAL_SCORE, scores
from tests.extender.world import World


@dataclass
class Expectation:
    expires: float
    share: float
    names: set[str]


@dataclass
class Oracle:
    """Knows the same world. It is told of bindings and departures, since it follows nothing by itself."""

    world: World
    expected: dict[str, Expectation] = field(default_factory=dict)

    def scores(self, pod: wire.Pod, names: Sequence[str]) -> list[int]:
        self.expected = {uid: item for uid, item in self.expected.items() if item.expires > self.world.wall}
        self.expected.pop(pod.metadata.uid, None)
        profile = self.profile_of(pod)
        if profile is None:
            return [NEUTRAL_SCORE] * len(names)
        forecasts = [self.forecast(self.needs(pod), name, profile.spec) for name in names]
        known = [item for item in forecasts if item is not None]
        by_forecast = iter(scores([None if item.impossible else item.seconds for item in known]))
        result = [NEUTRAL_SCORE if item is None else next(by_forecast) for item in forecasts]
        best = {item.node for item, score in zip(forecasts, result, strict=True) if item and score == BEST_SCORE}
        if best:
            expires = self.world.wall + EXPECTED_SECONDS
            self.expected[pod.metadata.uid] = Expectation(expires, share_of(len(best)), best)
        return result

    def refusals(self, pod: wire.Pod, names: Sequence[str]) -> dict[str, str]:
        if self.profile_of(pod) is None:
            return {}
        nodes = [node for name in names if (node := self.world.fleet.node(name)) is not None]
        verdicts = {node.name: runtime_on(node, self.needs(pod).handler, self.world.now) for node in nodes}
        return {name: item.reason for name, item in verdicts.items() if item.state is RuntimeState.ABSENT}

    def forecast(self, needs: PodNeeds, name: str, profile: ProfileSpec) -> Forecast | None:
        node = self.world.fleet.node(name)
        if node is None:
            return None
        busier = node.with_more_starting(self.share_on(name))
        return forecast(needs, busier, profile, self.world.fleet, self.world.now)

    def profile_of(self, pod: wire.Pod) -> TenantProfile | None:
        return self.world.tenancy.profile(pod.metadata.annotations[PROFILE_ANNOTATION])

    def needs(self, pod: wire.Pod) -> PodNeeds:
        return pod_needs(pod, self.world.tenancy.handler_of)

    def share_on(self, name: str) -> float:
        return sum(item.share for item in self.expected.values() if name in item.names)

    def saw_binding(self, uid: str) -> None:
        self.expected.pop(uid, None)

    def saw_departure(self, name: str) -> None:
        """What was expected on a node goes with it; a node that comes under its name is another one."""
        for item in self.expected.values():
            item.names.discard(name)
