"""Whose a nomination is, and what is to become of it, until the pod is bound.

Autoscalers take a nominated pod for served, and the scheduler itself never clears the nomination of a pod with
preemptionPolicy Never (measured on v1.36.3). So a nomination of ours that came to nothing is cleared at once. Ours is
what the forecast's annotation names: kube-scheduler nominates too, where it preempts, and that is left to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from cluster import wire
from cluster.translation import condition
from cluster.waiting import has_our_gate
from model import names
from model.nodes import NodeFacts


class Ownership(StrEnum):
    """What to do with a nominated pod."""

    LEAVE = "leave"
    FINISH = "finish"
    CLEAR = "clear"


class LostReason(StrEnum):
    """Why a nomination came to nothing."""

    NODE_GONE = "node-gone"
    NODE_CORDONED = "node-cordoned"
    NODE_NOT_READY = "node-not-ready"
    NO_LONGER_FITS = "no-longer-fits"


_SENTENCES = {
    LostReason.NODE_GONE: "the node is gone",
    LostReason.NODE_CORDONED: "the node was cordoned",
    LostReason.NODE_NOT_READY: "the node is not ready any more",
    LostReason.NO_LONGER_FITS: "the pod no longer fits there; another was quicker",
}


@dataclass(frozen=True, slots=True)
class Fate:
    action: Ownership
    reason: str = ""

    def describe(self) -> str:
        return _SENTENCES[LostReason(self.reason)] if self.reason else self.action.value


class _Told(msgspec.Struct):
    node: str = ""


def own(pod: wire.Pod, node: NodeFacts | None) -> Fate:
    """The fate of an unbound pod's nomination; `node` is the nominated one as it is now, None where it is gone.

    With our gate still closed, the nomination is half of a placement that was interrupted: the other half is done if
    the node still takes pods. With the gate open, it is the scheduler's turn until it says Unschedulable.
    """
    if not is_ours(pod):
        return Fate(Ownership.LEAVE)
    lost = _lost(node)
    if has_our_gate(pod):
        return Fate(Ownership.CLEAR, lost) if lost else Fate(Ownership.FINISH)
    scheduled = condition(pod.status.conditions, "PodScheduled")
    if scheduled is None or scheduled.status != "False" or scheduled.reason != "Unschedulable":
        return Fate(Ownership.LEAVE)
    return Fate(Ownership.CLEAR, lost or LostReason.NO_LONGER_FITS)


def is_ours(pod: wire.Pod) -> bool:
    """Whether the forecast's annotation names the nominated node."""
    text = pod.metadata.annotations.get(names.FORECAST_ANNOTATION, "")
    try:
        return msgspec.json.decode(text, type=_Told).node == pod.status.nominated_node_name
    except msgspec.MsgspecError:
        return False


def _lost(node: NodeFacts | None) -> str:
    if node is None:
        return LostReason.NODE_GONE
    if not node.schedulable:
        return LostReason.NODE_CORDONED
    return "" if node.ready else LostReason.NODE_NOT_READY
