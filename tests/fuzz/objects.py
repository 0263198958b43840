"""Targets that watches bring: nodes, pods and profiles, as lines of a watch through a reflector into a fleet."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import cache, partial
from math import isfinite
from typing import Any, Final, cast

from cluster.client import ApiClient
from cluster.demands import identity_of, preferences_of, requirements_of, unjudged
from cluster.reflector import Listener, Reflector, Resource
from cluster.snapshot import NODES, PODS, PROFILES
from cluster.translation import pod_needs
from cluster.waiting import WaitingPods
from model.errors import InvalidInput
from model.forecast import forecast
from model.profiles import ProfileSpec, TenantProfile
from placement.deadlines import creation_of
from tests.builders import demand, pod, priors
from tests.extender.world import NOW, World, tenant_pod
from tests.fuzz.edits import RAW, document
from tests.fuzz.events import NODE_EVENTS, POD_EVENTS, PROFILE_EVENTS
from tests.fuzz.target import Mistakes, Target, require, settled
from tests.webhook.patching import read_pod
from webhook.decision import apply_profile
from webhook.review import encode_answer

GONE: Final = b'{"type":"ERROR","object":{"code":410,"message":"too old"}}'
FIRST_SEED: Final = priors()
LISTED: Final = (
    b'{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"1",'
    b'"annotations":{"k8s.io/initial-events-end":"true"}}}}'
)


class _ScriptIsOver(BaseException):
    """Ends a reflector's endless run; whatever else it meets, it must survive."""


class Watched:
    """A reflector whose watches bring the lines that `bring` is given; without an event loop, and without waiting."""

    def __init__(self, resource: Resource[Any], listener: Listener[Any]) -> None:
        self._streams: deque[bytes] = deque()
        self._mistakes = Mistakes("cluster.reflector", "extender")
        self.reflector = Reflector(cast("ApiClient", self), resource, listener, sleep=_no_sleep)
        self.bring(LISTED)

    def bring(self, *streams: bytes) -> None:
        self._streams.extend(line + b"\n" for line in streams)
        with suppress(_ScriptIsOver):
            settled(self.reflector.run())
        self._mistakes.require_none()

    def lose(self) -> None:
        """The server forgets the version, and lists nothing at all."""
        self.bring(GONE, LISTED)
        require(not self.reflector.objects, "what a list does not name is gone")

    @asynccontextmanager
    async def stream(self, *_: Any) -> AsyncIterator[Watched]:
        if not self._streams:
            raise _ScriptIsOver
        yield self

    async def iter_any(self) -> AsyncIterator[bytes]:
        yield self._streams.popleft()

    async def get_bytes(self, *_: Any, **__: Any) -> bytes:
        raise _ScriptIsOver


async def _no_sleep(_: float) -> None:
    """Back-off takes no time."""


@cache
def nodes() -> tuple[World, Watched]:
    world = World()
    return world, Watched(NODES, world.fleet.node_changed)


def check_node(line: bytes) -> None:
    world, watched = nodes()
    watched.bring(line)
    _require_forecasts(world)
    watched.lose()
    require(not world.fleet.names(), "what has gone leaves no node behind")


def _require_forecasts(world: World, profile: ProfileSpec = FIRST_SEED) -> None:
    fleet = world.fleet
    for facts in fleet.nodes():
        told = forecast(demand(), facts, profile, fleet, NOW)
        require(isfinite(told.seconds) and told.seconds >= 0, "a forecast is a number of seconds")
        require(bool(told.describe()) and bool(json.loads(told.to_json())), "a forecast can be told")
    require(len(list(fleet.offers())) == len(fleet.names()), "every node has its traits")
    scores = world.scores(tenant_pod(), *fleet.names())
    require(all(type(score) is int and 0 <= score <= 10 for score in scores), "scores are 0 to 10")


@cache
def pods() -> tuple[World, WaitingPods, Watched]:
    world = World()
    world.add("n1")
    waiting = WaitingPods(world.clock)

    def pod_changed(old: Any, new: Any) -> None:
        world.fleet.pod_changed(old, new)
        waiting.pod_changed(old, new)

    return world, waiting, Watched(PODS, pod_changed)


def check_pod(line: bytes) -> None:
    world, waiting, watched = pods()
    watched.bring(line)
    for item in watched.reflector.objects.values():
        with suppress(InvalidInput):
            hash(requirements_of(item))
        hash(preferences_of(item))
        require(unjudged(item).isprintable(), "what is not judged has a name")
        identity_of(item)
        creation_of(item, world.clock)
        hash(pod_needs(item, world.tenancy.handler_of))
    for item in waiting.pods.values():
        require(bool(json.loads(item.document)), "a pod that waits can be written back whole")
    _require_forecasts(world)
    uids = [item.metadata.uid for item in watched.reflector.objects.values()]
    watched.lose()
    is_forgotten = all(waiting.first_seen(uid) is None for uid in uids)
    require(not waiting.pods and is_forgotten, "what has gone is not waited for")
    require(not world.fleet.pods_on("n1"), "what has gone leaves no pod on a node")


@cache
def profiles() -> tuple[World, Watched]:
    world = World()
    world.add("warm")
    return world, Watched(PROFILES, world.tenancy.profile_changed)


def check_profile(line: bytes) -> None:
    world, watched = profiles()
    watched.bring(line)
    for name in watched.reflector.objects:
        profile = world.tenancy.profile(name)
        if profile is not None:
            _require_usable(profile, world)
    watched.lose()
    require(set(world.tenancy.profiles) <= {"kata-agents"}, "what has gone leaves no profile behind")


def _require_usable(profile: TenantProfile, world: World) -> None:
    again = TenantProfile.from_spec(profile.name, profile.spec.model_dump(mode="json", by_alias=True))
    require(again == profile, "a profile is read back as it was")
    verdict = apply_profile(read_pod(pod()), profile)
    require(bool(encode_answer("uid", verdict)), "a profile changes pods")
    _require_forecasts(world, profile.spec)


def _target(name: str, promise: str, check: Callable[[bytes], None], events: tuple[bytes, ...]) -> Target:
    seeds = (*(bytes([RAW]) + line for line in events), *(bytes([1, index]) for index in range(len(events))))
    return Target(name, promise, check, partial(document, originals=events), seeds)


NODE: Final = _target(
    "nodes", "a node is read, taken as unknown or skipped, and forecast; nothing of it stays", check_node, NODE_EVENTS
)
POD: Final = _target(
    "pods", "a pod is read, taken as unknown or skipped, and weighed; nothing of it stays", check_pod, POD_EVENTS
)
PROFILE: Final = _target(
    "profiles", "a profile is valid and usable, or refused by its own error", check_profile, PROFILE_EVENTS
)
