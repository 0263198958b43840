"""The pods that are not bound and concern placement: those behind our gate, and those that name a node, or did."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from cluster import wire
from cluster.clock import Clock
from cluster.translation import condition, is_finished
from model import names

SEEN_WALL_SECONDS: Final = 0.25
"""How long somebody who has written waits at most for the watch to show it."""

Observer = Callable[[wire.Pod | None, wire.Pod | None], None]
"""Told of a change as (old, new); no `new` where the pod is gone."""


def has_our_gate(pod: wire.Pod) -> bool:
    return any(gate.name == names.WARM_NODE_GATE for gate in pod.spec.scheduling_gates)


def is_unschedulable(pod: wire.Pod) -> bool:
    """Whether a scheduler has found no node for it."""
    scheduled = condition(pod.status.conditions, "PodScheduled")
    return scheduled is not None and scheduled.status == "False" and scheduled.reason == "Unschedulable"


def waits(pod: wire.Pod) -> bool:
    """Whether it concerns placement: not bound, and behind our gate, nominated, or told a forecast by us."""
    if pod.spec.node_name or is_finished(pod) or pod.metadata.deletion_timestamp is not None:
        return False
    is_told = names.FORECAST_ANNOTATION in pod.metadata.annotations
    return has_our_gate(pod) or bool(pod.status.nominated_node_name) or is_told


def keep_document(pod: wire.Pod, read: Callable[[], bytes]) -> None:
    """Of a pod that waits, which is to be written back whole, keep the JSON."""
    if waits(pod):
        pod.document = read()


@dataclass(slots=True)
class _Since:
    """When a pod was first seen to wait, without our gate, and (the last time) Unschedulable; on the steady clock."""

    seen: float
    opened: float | None = None
    unschedulable: float | None = None


class WaitingPods:
    """Follows the pods; `pods` by uid. `observers` are called after each change of a pod that waits or waited."""

    def __init__(self, clock: Clock) -> None:
        self.pods: dict[str, wire.Pod] = {}
        self.observers: list[Observer] = []
        self._clock = clock
        self._awaited: dict[str, asyncio.Future[None]] = {}
        self._since: dict[str, _Since] = {}

    def first_seen(self, uid: str) -> float | None:
        """The instant at which the pod was first seen to wait, whoever led then; None where it does not.

        Somebody may set the clock in between. It is the wait that counts, so the instant moves with the clock.
        """
        since = self._since.get(uid)
        return self._instant(since.seen if since else None)

    def first_open(self, uid: str) -> float | None:
        """The instant at which the pod was first seen without our gate, though it waits; None where it has not been."""
        since = self._since.get(uid)
        return self._instant(since.opened if since else None)

    def first_unschedulable(self, uid: str) -> float | None:
        """The instant from which on the pod was seen to be Unschedulable while it waits; None where it is not so."""
        since = self._since.get(uid)
        return self._instant(since.unschedulable if since else None)

    async def seen(self, uid: str, version: str) -> None:
        """Until the watch shows a pod that waits as it was written, or as something else than it was; not for long.

        Whoever writes twice spares the API server work so: it applies a patch to the pod as its own watch cache has it,
        and does all of it again where that was not yet what the first write had made of the pod.
        """
        known = self.pods.get(uid)
        if known is None or known.metadata.resource_version == version:
            return
        change = self._awaited.setdefault(uid, asyncio.get_running_loop().create_future())
        with suppress(TimeoutError):
            async with asyncio.timeout(SEEN_WALL_SECONDS):
                await asyncio.shield(change)

    def pod_changed(self, old: wire.Pod | None, new: wire.Pod | None) -> None:
        if old is not None and (awaited := self._awaited.pop(old.metadata.uid, None)) is not None:
            awaited.set_result(None)
        was_waiting = old is not None and self.pods.pop(old.metadata.uid, None) is not None
        is_waiting = new is not None and waits(new)
        if new is not None and is_waiting:
            self.pods[new.metadata.uid] = new
            self._note(new)
        if old is not None and old.metadata.uid not in self.pods:
            self._since.pop(old.metadata.uid, None)
        if was_waiting or is_waiting:
            for observer in self.observers:
                observer(old, new)

    def _note(self, pod: wire.Pod) -> None:
        now = self._clock.steady()
        since = self._since.setdefault(pod.metadata.uid, _Since(now))
        if since.opened is None and not has_our_gate(pod):
            since.opened = now
        if not is_unschedulable(pod):
            since.unschedulable = None
        elif since.unschedulable is None:
            since.unschedulable = now

    def _instant(self, steady: float | None) -> float | None:
        return None if steady is None else self._clock.now() - (self._clock.steady() - steady)
