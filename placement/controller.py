"""The placement controller: the shell around the verdicts, on the replica that leads.

It looks at all waiting pods when one of them changed, when the fleet changed under a hold, and when a wait or a
deadline ends. What it decided is written in the background; until the watch shows the write, the pod is under way and
its node's room is taken. Everything needed to go on stands in the pods themselves (gate, nomination, creation time),
so a new leader starts with nothing. A gate that is overdue for some seconds needs none: any replica opens it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from itertools import chain
from math import inf
from time import monotonic
from typing import Final

from cluster import wire
from cluster.events import PodEvent
from cluster.leases import Leadership
from cluster.snapshot import Snapshot
from cluster.waiting import has_our_gate
from placement import metrics
from placement.deadlines import OVERDUE_WALL_SECONDS, held_since
from placement.decision import next_decision
from placement.dispatch import Dispatch, Write
from placement.gates import GateKeeper
from placement.judge import Judge
from placement.notices import Notices
from placement.ownership import Fate, Ownership, is_ours, lost_by, own
from placement.survey import Survey
from placement.verdicts import Hold, LetThrough, LetThroughReason, Nominate, Verdict

log = logging.getLogger(__name__)

SHORTEST_PAUSE_WALL_SECONDS: Final = 0.05
"""Between two rounds, so that a burst is decided on in a few rounds rather than pod by pod, and that the changes which
its own writes bring back are looked at in few. A pod that comes alone does not wait for it."""

LONGEST_PAUSE_WALL_SECONDS: Final = 1.0
"""Between two looks at leadership and deadlines when nothing happens."""

BACKLOG_PAUSE_WALL_SECONDS: Final = 0.25
"""Between two rounds while nominations queue: who is to be let through does not wait for the last of them."""

CATCH_UP_WALL_SECONDS: Final = 0.25
"""Between winning the Lease and the first round: what the leader before wrote last is seen by then, or the same room
would be given away twice. A watch brings a write within milliseconds."""

FLEET_PAUSE_WALL_SECONDS: Final = 0.5
"""Between a change of the fleet and the next look at what is held: at 5,000 nodes something changes all the time."""

NOMINATED: Final = "nominated"
BY_OTHERS: Final = "nominated-by-others"
LOST: Final = "nomination-lost"
"""Outcomes besides the reasons for letting through."""


class PlacementController:
    """`emit` takes events about pods, and says whether it did; `leadership` says whether this replica may decide."""

    def __init__(
        self,
        snapshot: Snapshot,
        gates: GateKeeper,
        leadership: Leadership,
        emit: Callable[[PodEvent], bool],
    ) -> None:
        self._snapshot = snapshot
        self._gates = gates
        self._leadership = leadership
        self._notices = Notices(emit)
        self._judge = Judge(snapshot, Survey(snapshot))
        self._changed = asyncio.Event()
        self._dispatch = Dispatch(self._changed.set, lambda: leadership.leading)
        self._due = 0.0
        self._holds = self._nominations = self._is_new = False
        self._fleet_look: asyncio.TimerHandle | None = None
        snapshot.waiting.observers.append(self._pod_changed)
        snapshot.fleet.on_change(self._fleet_changed)
        leadership.observers.append(self._won)

    @property
    def is_writing(self) -> bool:
        return self._dispatch.is_writing

    async def run(self) -> None:
        """Until cancelled; what is being written then is finished first."""
        try:
            while True:
                await self._pause()
                if self._is_new:
                    self._is_new = False
                    await asyncio.sleep(CATCH_UP_WALL_SECONDS)
                began = monotonic()
                metrics.LEADING.set(self._leadership.leading)
                self._due = inf
                if self._leadership.leading:
                    self._try(self._round)
                    metrics.ROUND_SECONDS.observe(monotonic() - began)
                else:
                    metrics.GATED_PODS.clear()
                self._try(self._open_overdue)
                await asyncio.sleep(max(SHORTEST_PAUSE_WALL_SECONDS, monotonic() - began))  # half is left to others
        finally:
            await self._dispatch.finish()

    async def _pause(self) -> None:
        """Until something waits to be decided on, and what was decided before is being written, but not for long."""
        left = (self._due - self._snapshot.clock.now()) / self._snapshot.clock.scale
        with suppress(TimeoutError):
            async with asyncio.timeout(min(max(left, 0.0), LONGEST_PAUSE_WALL_SECONDS)):
                await self._changed.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(BACKLOG_PAUSE_WALL_SECONDS):
                await self._dispatch.caught_up()
        self._changed.clear()

    def _won(self) -> None:
        self._is_new = True
        self._changed.set()

    def _pod_changed(self, old: wire.Pod | None, new: wire.Pod | None) -> None:
        self._changed.set()
        nominated = self._snapshot.fleet.node(old.status.nominated_node_name) if old else None
        reason = lost_by(old, new, nominated)
        if reason and self._leadership.leading:
            metrics.NOMINATION_LOST.labels(reason).inc()

    def _fleet_changed(self) -> None:
        """A node that a pod was nominated to by us, or waits for, may not be what it was."""
        if self._nominations:
            self._changed.set()
        elif self._holds and self._fleet_look is None:
            self._fleet_look = asyncio.get_running_loop().call_later(FLEET_PAUSE_WALL_SECONDS, self._look_at_fleet)

    def _look_at_fleet(self) -> None:
        self._fleet_look = None
        self._changed.set()

    def _try(self, look: Callable[[], None]) -> None:
        """A mistake of ours in one round must not end placement; the next is due in a second at the latest."""
        try:
            look()
        except Exception:
            metrics.ROUND_ERRORS.inc()
            log.exception("a round of placement failed")

    def _round(self) -> None:
        """Decide on every pod that waits and is not under way."""
        now = self._snapshot.clock.now()
        pods = self._idle(now)
        gated = [pod for pod in pods if has_our_gate(pod) and not pod.status.nominated_node_name]
        nominated = [pod for pod in pods if not has_our_gate(pod) or pod.status.nominated_node_name]  # or they were
        is_reliable = self._snapshot.complaint() is None
        for pod in nominated:
            is_overdue = now >= self._judge.deadline(pod)
            if is_reliable or (has_our_gate(pod) and is_overdue):
                self._keep(pod, now, opens=is_overdue and has_our_gate(pod))
        placed = self._dispatch.nominated
        verdicts = self._judge.verdicts(gated, placed, now) if is_reliable else self._judge.by_deadline(gated, now)
        deferred = self._judge.deferred(verdicts, now, is_nominating=self._dispatch.is_nominating)
        for pod in gated:
            if pod.metadata.uid not in deferred:
                self._carry_out(pod, verdicts.get(pod.metadata.uid))
        held = {uid: verdict for uid, verdict in verdicts.items() if isinstance(verdict, Hold)}
        self._holds, self._nominations = bool(held), any(map(is_ours, nominated))
        if self._judge.is_behind:
            self._changed.set()
        closed = chain(gated, self._dispatch.queued)
        self._due = next_decision(held.values(), chain(deferred.values(), map(self._judge.deadline, closed)))
        self._gauge(held, undecided=len(gated) - len(verdicts) + len(deferred))

    def _open_overdue(self) -> None:
        """Open what a leader would have opened by now. It needs no Lease, and no more than to know the pods."""
        clock = self._snapshot.clock
        since = clock.now() - OVERDUE_WALL_SECONDS * clock.scale
        gated = {pod.metadata.uid: pod for pod in self._idle(since) if has_our_gate(pod)}
        for uid, verdict in self._judge.by_deadline(gated.values(), since).items():
            self._carry_out(gated[uid], verdict)

    def _idle(self, now: float) -> list[wire.Pod]:
        """The pods that wait and are not under way. At its deadline none waits for its nomination to begin."""
        waiting = self._snapshot.waiting.pods
        self._dispatch.settle(waiting)
        self._notices.forget(waiting)
        overdue = {pod.metadata.uid for pod in self._dispatch.queued if now >= self._judge.deadline(pod)}
        self._dispatch.take_back(overdue)
        return [pod for pod in waiting.values() if not self._dispatch.holds(pod)]

    def _keep(self, pod: wire.Pod, now: float, *, opens: bool) -> None:
        """Look after a nomination until its pod is bound: finish what stands half, clear what does not hold or is left.

        `opens`: whether the gate is to go with a nomination that is cleared.
        """
        fate = own(pod, self._judge.circumstances(pod, now))
        if fate.action is Ownership.FINISH:
            outcome = NOMINATED if is_ours(pod) else BY_OTHERS
            done = self._opened(pod, outcome)
            node = pod.status.nominated_node_name
            self._dispatch.send(Write(pod, partial(self._gates.finish, pod), "finish", done, node))
        elif fate.action is Ownership.CLEAR:
            self._clear(pod, fate, opens=opens)
        elif fate.action is Ownership.YIELD:
            self._disown(pod, fate)

    def _disown(self, pod: wire.Pod, fate: Fate) -> None:
        def done() -> None:
            if fate.reason:
                metrics.NOMINATION_LOST.labels(fate.reason).inc()

        self._dispatch.send(Write(pod, partial(self._gates.disown, pod), "disown", done))

    def _clear(self, pod: wire.Pod, fate: Fate, *, opens: bool) -> None:
        """A pod still behind our gate is decided on anew, unless its deadline has come."""
        opened = self._opened(pod, LOST) if opens else None

        def done() -> None:
            metrics.NOMINATION_LOST.labels(fate.reason).inc()
            self._notices.cleared(pod, fate)
            if opened is not None:
                opened()

        work = self._gates.let_through if opens else self._gates.clear
        self._dispatch.send(Write(pod, partial(work, pod), "clear", done))

    def _carry_out(self, pod: wire.Pod, verdict: Verdict | None) -> None:
        match verdict:
            case Nominate():
                done = self._opened(pod, NOMINATED, verdict)
                work = partial(self._gates.nominate, pod, verdict.node, verdict.forecast.to_json())
                rank = -pod.spec.priority, self._judge.deadline(pod)
                self._dispatch.send(Write(pod, work, "nominate", done, verdict.node, rank))
            case LetThrough():
                done = self._opened(pod, verdict.reason.value, verdict)
                work, is_early = partial(self._gates.let_through, pod), verdict.reason is not LetThroughReason.DEADLINE
                self._dispatch.send(Write(pod, work, "let-through", done, needs_lead=is_early))
            case Hold():
                self._hold(pod, verdict)

    def _hold(self, pod: wire.Pod, verdict: Hold) -> None:
        if not self._notices.is_news(pod, verdict):
            return

        def done() -> None:
            self._notices.held(pod, verdict, self._judge.deadline(pod) - self._snapshot.clock.now())

        work = partial(self._gates.annotate, pod, verdict.forecast.to_json())
        self._dispatch.note(Write(pod, work, "annotate", done), partial(self._notices.not_told, pod))

    def _opened(self, pod: wire.Pod, outcome: str, verdict: Nominate | LetThrough | None = None) -> Callable[[], None]:
        """What is to be counted and told when the gate is open."""
        snapshot = self._snapshot
        since = held_since(pod, snapshot.clock, snapshot.waiting.first_seen(pod.metadata.uid))

        def done() -> None:
            metrics.PLACEMENTS.labels(outcome).inc()
            metrics.HOLD_SECONDS.labels(outcome).observe(max(0.0, snapshot.clock.now() - since))
            if verdict is not None:
                self._notices.opened(pod, verdict)

        return done

    def _gauge(self, held: Mapping[str, Hold], undecided: int) -> None:
        metrics.GATED_PODS.clear()
        reasons = Counter(verdict.reason.value for verdict in held.values())
        reasons["on-their-way"] = len(self._dispatch.pods - held.keys())
        reasons["undecided"] = undecided
        for reason, count in reasons.items():
            metrics.GATED_PODS.labels(reason).set(count)
