"""The verdicts on gated pods, whatever is wrong with one of them: a mistake of ours costs no other its placement."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from cluster import wire
from cluster.snapshot import Snapshot
from placement import metrics
from placement.deadlines import binding_due, deadline_of
from placement.decision import decide, let_through_unseen
from placement.inputs import GatedPod
from placement.ownership import Circumstances
from placement.survey import Survey
from placement.verdicts import LetThrough, LetThroughReason, Nominate, Verdict

log = logging.getLogger(__name__)

LOOKS_PER_ROUND: Final = 100_000
"""Nodes that one round looks at for the kinds of pods in it, some tenths of a second: nobody else has the event loop
meanwhile. Twenty kinds on 5,000 nodes; where there are more, they take turns."""

TRIES: Final = 40
"""Of deciding on fewer pods, where deciding on all failed: enough to find one in a thousand, and some more."""

PREEMPTION_WALL_SECONDS: Final = 2.0
"""Within which the first of a preemption's victims is seen to leave after the pod is seen Unschedulable.

kube-scheduler writes to the pod and to its victims side by side, and to each victim twice, by a client that is limited
to 50 requests a second.
"""

PROMISE_WALL_SECONDS: Final = 0.5
"""How long a pod that is left without room waits at most, from when it was first seen, for the nominations of others to
be written: half of the second within which an autoscaler is to see what it may have to buy for."""


class Judge:
    """Reads the snapshot and decides. `placed`: by uid, the nodes of pods whose nomination is being written."""

    def __init__(self, snapshot: Snapshot, survey: Survey) -> None:
        self.is_behind = False
        """Whether pods that were never decided on were left to the next round."""

        self._snapshot = snapshot
        self._survey = survey
        self._rounds = 0
        self._decided: dict[str, int] = {}
        """By uid, the number of the last round in which a waiting pod was decided on."""

    def deadline(self, pod: wire.Pod) -> float:
        """The moment at which its gate opens in any case, in seconds of the snapshot's clock."""
        snapshot = self._snapshot
        first_seen = snapshot.waiting.first_seen(pod.metadata.uid)
        return deadline_of(pod, snapshot.tenancy.profile, snapshot.clock, first_seen)

    def circumstances(self, pod: wire.Pod, now: float) -> Circumstances:
        """What decides on the fate of its nomination."""
        snapshot, name = self._snapshot, pod.status.nominated_node_name
        node, outranked = snapshot.fleet.node(name), self._survey.outranked(pod, name)
        first_open = snapshot.waiting.first_open(pod.metadata.uid)
        return Circumstances(
            node,
            can_start=self._survey.can_start(pod, node, now),
            is_preempting=any(other.is_leaving for other in outranked),
            may_preempt=self._is_just_refused(pod, now) and any(not other.is_finished for other in outranked),
            is_given_up=now >= binding_due(self.deadline(pod), snapshot.clock, first_open),
        )

    def _is_just_refused(self, pod: wire.Pod, now: float) -> bool:
        """Whether it has become Unschedulable so lately that a preemption for it may not be seen yet."""
        snapshot = self._snapshot
        since = snapshot.waiting.first_unschedulable(pod.metadata.uid)
        return since is not None and now - since < PREEMPTION_WALL_SECONDS * snapshot.clock.scale

    def deferred(self, verdicts: Mapping[str, Verdict], now: float, *, is_nominating: bool) -> dict[str, float]:
        """By uid, until when pods wait that no warm node has room for, while nominations are not written yet.

        Schedulers do not know of those, and would give such a pod the room that they promise. `is_nominating`: whether
        there are any besides the verdicts'.
        """
        if not is_nominating and not any(isinstance(verdict, Nominate) for verdict in verdicts.values()):
            return {}
        waiting, clock = self._snapshot.waiting, self._snapshot.clock
        seen = {
            uid: waiting.first_seen(uid)
            for uid, verdict in verdicts.items()
            if isinstance(verdict, LetThrough) and verdict.reason is LetThroughReason.NO_ROOM
        }
        until = {uid: since + PROMISE_WALL_SECONDS * clock.scale for uid, since in seen.items() if since is not None}
        return {uid: instant for uid, instant in until.items() if now < instant}

    def by_deadline(self, gated: Iterable[wire.Pod], now: float) -> dict[str, Verdict]:
        """The verdicts where nothing else can be relied on: on the pods whose deadline has come."""
        overdue = LetThrough(LetThroughReason.DEADLINE)
        return {pod.metadata.uid: overdue for pod in gated if now >= self.deadline(pod)}

    def verdicts(self, gated: Iterable[wire.Pod], placed: Mapping[str, str], now: float) -> dict[str, Verdict]:
        """By uid. A pod that we stumble over is left to the scheduler, and keeps no other behind its gate.

        Of more kinds of pods than one round may look at, those are decided on that were left out for longest; and those
        that are let through whatever the nodes are like, at once.
        """
        waiting = list(gated)
        pods: list[GatedPod] = []
        mistaken: dict[str, Verdict] = {}
        for pod in waiting:
            try:
                pods.append(self._survey.gated(pod))
            except Exception:
                log.exception("pod %s cannot be judged", pod.metadata.key)
                mistaken[pod.metadata.uid] = _mistaken()
        try:
            pods = self._in_turn(pods, now)
            return mistaken | (decide(pods, self._survey.fleet(pods, placed), now) if pods else {})
        except Exception:
            log.exception("deciding on all pods failed; those that it fails on alone are let through")
            return mistaken | self.by_deadline(waiting, now) | self._culprits(pods, placed, now)

    def _in_turn(self, pods: Sequence[GatedPod], now: float) -> list[GatedPod]:
        """The pods of this round; of those that were left out for as long, the higher priority first."""
        most = max(1, LOOKS_PER_ROUND // max(1, self._snapshot.fleet.size))
        self._rounds += 1
        self._decided = {pod.uid: self._decided[pod.uid] for pod in pods if pod.uid in self._decided}
        looking = [pod for pod in pods if let_through_unseen(pod, now) is None]
        kinds: set[object] = set()
        for pod in sorted(looking, key=lambda pod: (self._decided.get(pod.uid, 0), -pod.priority, pod.created)):
            kinds.add(pod.kind)
            if len(kinds) == most:
                break
        left_out = {pod.uid for pod in looking if pod.kind not in kinds}
        self.is_behind = not left_out <= self._decided.keys()
        chosen = [pod for pod in pods if pod.uid not in left_out]
        self._decided |= {pod.uid: self._rounds for pod in chosen}
        return chosen

    def _culprits(self, pods: Sequence[GatedPod], placed: Mapping[str, str], now: float) -> dict[str, Verdict]:
        """The pods that cannot be decided on even alone, found by halves; without them the next round may succeed.

        Of many only some: what else runs in this process does not stand still meanwhile.
        """
        found: dict[str, Verdict] = {}
        try:
            fleet = self._survey.fleet(pods, placed)
        except Exception:
            log.exception("the fleet cannot be surveyed")
            return found
        suspects = [pods]
        for _ in range(TRIES):
            if not suspects:
                break
            some = suspects.pop()
            try:
                decide(some, fleet, now)
            except Exception:
                if len(some) > 1:
                    suspects += [some[: len(some) // 2], some[len(some) // 2 :]]
                    continue
                log.exception("deciding on the pod %s failed", some[0].uid)
                found[some[0].uid] = _mistaken()
        return found


def _mistaken() -> LetThrough:
    """The verdict on a pod that has met a mistake of ours, which is counted."""
    metrics.ROUND_ERRORS.inc()
    return LetThrough(LetThroughReason.UNJUDGED, "Stoker failed to judge it; its log tells why")
