"""The placement controller: the shell around `decide`, on the replica that leads.

It looks at all waiting pods when one of them changed, when the fleet changed under a hold, and when a wait or a
deadline ends. What it decided is written in the background; until the watch shows the write, the pod is `on its way`
and its node's room is taken. Everything needed to go on stands in the pods themselves (gate, nomination, creation
time), so a new leader starts with nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from math import inf
from time import monotonic
from typing import Any, Final

from cluster import wire
from cluster.events import PodEvent
from cluster.leases import Leadership
from cluster.snapshot import Snapshot
from cluster.waiting import has_our_gate
from model import names
from model.errors import Conflict, NotFound, StokerError
from placement import metrics
from placement.deadlines import deadline_of
from placement.decision import decide, next_decision
from placement.gates import GateKeeper
from placement.ownership import Ownership, own
from placement.survey import Survey
from placement.verdicts import Hold, LetThrough, LetThroughReason, Nominate, Verdict

log = logging.getLogger(__name__)

SHORTEST_PAUSE_WALL_SECONDS: Final = 0.01
"""Between two rounds, so that a burst is decided on in a few rounds rather than pod by pod."""

LONGEST_PAUSE_WALL_SECONDS: Final = 1.0
"""Between two looks at leadership and deadlines when nothing happens."""

RETRY_WALL_SECONDS: Final = 1.0
WRITES_AT_ONCE: Final = 32


@dataclass(frozen=True, slots=True)
class _OnItsWay:
    """A pod that was decided on at a resourceVersion; `node` is where it was nominated."""

    version: str
    node: str = ""


class PlacementController:
    """`emit` takes events about pods; `leadership` says whether this replica may write."""

    def __init__(
        self,
        snapshot: Snapshot,
        gates: GateKeeper,
        leadership: Leadership,
        emit: Callable[[PodEvent], None],
    ) -> None:
        self._snapshot = snapshot
        self._gates = gates
        self._leadership = leadership
        self._emit = emit
        self._survey = Survey(snapshot)
        self._changed = asyncio.Event()
        self._slots = asyncio.Semaphore(WRITES_AT_ONCE)
        self._writes: set[asyncio.Task[None]] = set()
        self._on_their_way: dict[str, _OnItsWay] = {}
        self._first_seen: dict[str, float] = {}
        self._told: dict[str, str] = {}
        self._due = 0.0
        self._holds = False
        snapshot.waiting.observers.append(self._changed.set)
        snapshot.fleet.on_change(self._fleet_changed)

    async def run(self) -> None:
        """Until cancelled; what is being written then is finished first."""
        try:
            while True:
                await self._pause()
                began = monotonic()
                metrics.LEADING.set(self._leadership.leading)
                self._due = inf
                if self._leadership.leading:
                    self._round()
                spent = monotonic() - began
                metrics.ROUND_SECONDS.observe(spent)
                await asyncio.sleep(max(SHORTEST_PAUSE_WALL_SECONDS, spent))  # half of the time is left to others
        finally:
            await asyncio.gather(*self._writes, return_exceptions=True)

    async def _pause(self) -> None:
        """Until something waits to be decided on."""
        left = (self._due - self._snapshot.clock.now()) / self._snapshot.clock.scale
        try:
            async with asyncio.timeout(min(max(left, 0.0), LONGEST_PAUSE_WALL_SECONDS)):
                await self._changed.wait()
        except TimeoutError:
            pass
        self._changed.clear()

    def _fleet_changed(self) -> None:
        """A node that somebody waits for may be warm now."""
        if self._holds:
            self._changed.set()

    def _round(self) -> None:
        """Decide on every pod that waits and is not on its way."""
        now = self._snapshot.clock.now()
        waiting = self._snapshot.waiting.pods
        self._forget(waiting)
        for uid in waiting:
            self._first_seen.setdefault(uid, now)
        pods = [pod for uid, pod in waiting.items() if not self._is_on_its_way(uid, pod)]
        gated = []
        for pod in pods:
            if pod.status.nominated_node_name:
                self._keep(pod)
            elif has_our_gate(pod):
                gated.append(pod)
        verdicts = self._verdicts(gated, now)
        for pod in gated:
            self._carry_out(pod, verdicts.get(pod.metadata.uid))
        held = [verdict for verdict in verdicts.values() if isinstance(verdict, Hold)]
        self._holds = bool(held)
        self._due = next_decision(held, (self._deadline(pod) for pod in gated))
        self._gauge(held)

    def _verdicts(self, gated: list[wire.Pod], now: float) -> dict[str, Verdict]:
        """By the forecast; where the snapshot cannot be relied on, by the deadline alone."""
        if not gated:
            return {}
        if self._snapshot.complaint() is None:
            return self._decide(gated, now)
        return self._overdue(gated, now)

    def _decide(self, gated: list[wire.Pod], now: float) -> dict[str, Verdict]:
        """A mistake of ours must hold no pod beyond its deadline: whatever goes wrong, deadlines still open gates."""
        try:
            placed = {uid: item.node for uid, item in self._on_their_way.items() if item.node}
            pods = self._survey.gated(gated)
            return decide(pods, self._survey.fleet(pods, placed), now)
        except Exception:
            log.exception("deciding on the waiting pods failed; only deadlines open gates")
            metrics.WRITE_ERRORS.labels("decide").inc()
            return self._overdue(gated, now)

    def _overdue(self, gated: list[wire.Pod], now: float) -> dict[str, Verdict]:
        overdue = LetThrough(LetThroughReason.DEADLINE)
        return {pod.metadata.uid: overdue for pod in gated if now >= self._deadline(pod)}

    def _deadline(self, pod: wire.Pod) -> float:
        return deadline_of(pod, self._snapshot.tenancy.profile, self._snapshot.clock)

    def _keep(self, pod: wire.Pod) -> None:
        """Look after a nomination until its pod is bound: finish what stands half, clear what does not hold."""
        fate = own(pod, self._snapshot.fleet.node(pod.status.nominated_node_name))
        if fate.action is Ownership.FINISH:
            self._write(pod, self._gates.finish(pod), "finish", pod.status.nominated_node_name)
        elif fate.action is Ownership.CLEAR:
            metrics.NOMINATION_LOST.labels(fate.reason).inc()
            self._tell(pod, "NominationCleared", f"node {pod.status.nominated_node_name}: {fate.describe()}")
            write = self._gates.let_through(pod) if has_our_gate(pod) else self._gates.clear(pod)
            self._write(pod, write, "clear")

    def _carry_out(self, pod: wire.Pod, verdict: Verdict | None) -> None:
        match verdict:
            case Nominate():
                text = verdict.forecast.to_json()
                self._write(pod, self._gates.nominate(pod, verdict.node, text), "nominate", verdict.node)
                self._opened(pod, "nominated")
                self._tell(pod, "Nominated", verdict.describe(), text)
            case LetThrough():
                self._write(pod, self._gates.let_through(pod), "let-through")
                self._opened(pod, verdict.reason.value)
                self._tell(pod, "GateOpened", verdict.describe())
            case Hold():
                self._hold(pod, verdict)

    def _hold(self, pod: wire.Pod, verdict: Hold) -> None:
        """Tell once for each node and reason what the pod waits for, on the pod and by an event."""
        subject = f"{verdict.waits_for} {verdict.reason}"
        if self._told.get(pod.metadata.uid) == subject:
            return
        self._told[pod.metadata.uid] = subject
        text = verdict.forecast.to_json()
        left = self._deadline(pod) - self._snapshot.clock.now()
        self._write(pod, self._gates.annotate(pod, text), "annotate")
        self._tell(pod, "Held", f"{verdict.describe()}; the gate opens in {left:.0f} s in any case", text)

    def _opened(self, pod: wire.Pod, outcome: str) -> None:
        metrics.PLACEMENTS.labels(outcome).inc()
        now = self._snapshot.clock.now()
        metrics.HOLD_SECONDS.labels(outcome).observe(now - self._first_seen.get(pod.metadata.uid, now))

    def _tell(self, pod: wire.Pod, reason: str, message: str, forecast: str = "") -> None:
        annotations = ((names.FORECAST_ANNOTATION, forecast),) if forecast else ()
        metadata = pod.metadata
        log.info("%s", reason, extra={"fields": {"pod": metadata.key, "why": message}})
        self._emit(PodEvent(metadata.namespace, metadata.name, metadata.uid, reason, message, annotations))

    def _write(self, pod: wire.Pod, write: Coroutine[Any, Any, Any], kind: str, node: str = "") -> None:
        """In the background; the pod is not decided on again before the watch shows it changed."""
        self._on_their_way[pod.metadata.uid] = _OnItsWay(pod.metadata.resource_version, node)
        task = asyncio.create_task(self._finish_write(pod, write, kind))
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)

    async def _finish_write(self, pod: wire.Pod, write: Coroutine[Any, Any, Any], kind: str) -> None:
        try:
            async with self._slots:
                await write
        except (Conflict, NotFound) as error:
            # Edited, bound or deleted meanwhile: the watch brings what it is now, if it is at all.
            metrics.WRITE_ERRORS.labels("conflict").inc()
            log.info("%s of pod %s was overtaken: %s", kind, pod.metadata.key, error)
            self._retry(pod)
        except StokerError as error:
            metrics.WRITE_ERRORS.labels(kind).inc()
            log.warning("%s of pod %s failed and is tried again: %s", kind, pod.metadata.key, error)
            self._retry(pod)

    def _retry(self, pod: wire.Pod) -> None:
        def again() -> None:
            self._on_their_way.pop(pod.metadata.uid, None)
            self._told.pop(pod.metadata.uid, None)
            self._changed.set()

        asyncio.get_running_loop().call_later(RETRY_WALL_SECONDS, again)

    def _is_on_its_way(self, uid: str, pod: wire.Pod) -> bool:
        """Decided on, and not seen changed since; a nomination is over when the gate is seen open."""
        item = self._on_their_way.get(uid)
        if item is None:
            return False
        if item.node and has_our_gate(pod):
            return True  # between the two writes of a nomination
        return item.version == pod.metadata.resource_version

    def _forget(self, waiting: dict[str, wire.Pod]) -> None:
        for remembered in (self._on_their_way, self._first_seen, self._told):
            for uid in remembered.keys() - waiting.keys():
                del remembered[uid]

    def _gauge(self, held: list[Hold]) -> None:
        metrics.GATED_PODS.clear()
        reasons = Counter(verdict.reason.value for verdict in held)
        reasons["on-their-way"] = len(self._on_their_way)
        for reason, count in reasons.items():
            metrics.GATED_PODS.labels(reason).set(count)
