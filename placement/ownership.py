"""Whose a nomination is, and what is to become of it, until the pod is bound.

Autoscalers take a nominated pod for served, and the scheduler itself never clears the nomination of a pod with
preemptionPolicy Never (measured on v1.36.3). So a nomination of ours that came to nothing is cleared at once. Ours is
what the forecast's annotation names: kube-scheduler nominates too, where it preempts, and so may others; that is left
to them. Where it preempts on the very node that we had named, the annotation goes, and the nomination is its own. The
annotation goes as well where others ended our nomination: what they name later must not pass for ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from cluster import wire
from cluster.waiting import has_our_gate, is_unschedulable
from model import names
from model.nodes import NodeFacts


class Ownership(StrEnum):
    """What to do with an unbound pod that is nominated, or was."""

    LEAVE = "leave"
    FINISH = "finish"
    CLEAR = "clear"
    YIELD = "yield"
    """Take the annotation off: what is nominated, if anything, is the scheduler's."""


class LostReason(StrEnum):
    """Why a nomination came to nothing."""

    NODE_GONE = "node-gone"
    NODE_CORDONED = "node-cordoned"
    NODE_NOT_READY = "node-not-ready"
    NODE_NOT_WARM = "node-not-warm"
    NO_LONGER_FITS = "no-longer-fits"
    NOT_BOUND = "not-bound"
    BOUND_ELSEWHERE = "bound-elsewhere"


_SENTENCES = {
    LostReason.NODE_GONE: "the node is gone",
    LostReason.NODE_CORDONED: "the node was cordoned",
    LostReason.NODE_NOT_READY: "the node is not ready any more",
    LostReason.NODE_NOT_WARM: "the node is not warm any more, or has no room",
    LostReason.NOT_BOUND: "no scheduler has bound the pod, though its gate has been open for long",
    LostReason.NO_LONGER_FITS: "the pod no longer fits there; another was quicker",
    LostReason.BOUND_ELSEWHERE: "the scheduler bound the pod to another node",
}


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Of such a pod: `node` is the nominated one as it is now, None where it is gone or there is none.

    `can_start` says whether the pod would still be nominated there, `is_preempting` whether pods of lower priority are
    being removed from the node, `may_preempt` whether there are such pods and the scheduler refused the pod only just
    now, `is_given_up` whether schedulers have had their time for a pod whose gate is open.
    """

    node: NodeFacts | None
    can_start: bool = True
    is_preempting: bool = False
    may_preempt: bool = False
    is_given_up: bool = False


@dataclass(frozen=True, slots=True)
class Fate:
    """`reason`: why a nomination is lost by this; empty where it is not, or was before."""

    action: Ownership
    reason: str = ""

    def describe(self) -> str:
        return _SENTENCES[LostReason(self.reason)] if self.reason else self.action.value


class _Told(msgspec.Struct):
    node: str = ""


def own(pod: wire.Pod, now: Circumstances) -> Fate:
    """The fate of an unbound pod's nomination, and of what is left of one.

    Where the node takes no pods any more, it is cleared. Else, with our gate still closed, it is half of a placement
    that was interrupted: the other half is done where it still makes sense. With the gate open, it is the scheduler's
    turn until it says Unschedulable, or has had its time: a scheduler that is away, or that nobody runs, must not keep
    a node reserved for ever, nor may another's gate. A scheduler that preempts for the pod nominates the same node;
    that is its own then, and has to stand until its back-off ends, when the pods that it removed are long gone. Of
    another's nomination nothing is our business but the gate, and a forecast that we told.
    """
    is_gated = has_our_gate(pod)
    if not is_ours(pod):
        return _of_others(pod, is_gated=is_gated)
    if lost := _lost(now.node):
        return Fate(Ownership.CLEAR, lost)
    if is_gated:
        return Fate(Ownership.FINISH) if now.can_start else Fate(Ownership.CLEAR, LostReason.NODE_NOT_WARM)
    if is_unschedulable(pod):
        return _refused(pod, now)
    return Fate(Ownership.CLEAR, LostReason.NOT_BOUND) if now.is_given_up else Fate(Ownership.LEAVE)


def lost_by(old: wire.Pod | None, new: wire.Pod | None, node: NodeFacts | None) -> str:
    """Why others ended a nomination of ours with this change of its pod; empty where they did not.

    kube-scheduler clears what it cannot bind, or binds it to another node. Where we end it ourselves, its annotation
    goes with it, and the fate says why. A nomination ends in its binding as well, or with its pod's deletion, and that
    is no loss. `node` is the nominated one as it is now.
    """
    if old is None or new is None or old.metadata.uid != new.metadata.uid or new.metadata.deletion_timestamp:
        return ""
    nominated = old.status.nominated_node_name
    if not is_ours(old):
        return ""
    if new.spec.node_name:
        return "" if new.spec.node_name == nominated else LostReason.BOUND_ELSEWHERE
    if new.status.nominated_node_name == nominated or _told(new) != nominated:
        return ""
    return _lost(node) or LostReason.NO_LONGER_FITS


def is_ours(pod: wire.Pod) -> bool:
    """Whether there is a nominated node, and the forecast's annotation names it."""
    nominated = pod.status.nominated_node_name
    return bool(nominated) and _told(pod) == nominated


def _told(pod: wire.Pod) -> str | None:
    """The node of the forecast's annotation; None without one to read."""
    text = pod.metadata.annotations.get(names.FORECAST_ANNOTATION, "")
    try:
        return msgspec.json.decode(text, type=_Told).node
    except (msgspec.MsgspecError, RecursionError):  # a tenant may have written it
        return None


def _of_others(pod: wire.Pod, *, is_gated: bool) -> Fate:
    """Of a pod without a nomination of ours."""
    if is_gated:
        return Fate(Ownership.FINISH)
    return Fate(Ownership.YIELD if names.FORECAST_ANNOTATION in pod.metadata.annotations else Ownership.LEAVE)


def _refused(pod: wire.Pod, now: Circumstances) -> Fate:
    """Of an Unschedulable pod: whoever never preempts has lost the node, others perhaps to nobody but themselves."""
    if pod.spec.preemption_policy != "Never":
        if now.is_preempting:
            return Fate(Ownership.YIELD, LostReason.NO_LONGER_FITS)
        if now.may_preempt:
            return Fate(Ownership.LEAVE)
    return Fate(Ownership.CLEAR, LostReason.NO_LONGER_FITS)


def _lost(node: NodeFacts | None) -> str:
    if node is None:
        return LostReason.NODE_GONE
    if not node.schedulable:
        return LostReason.NODE_CORDONED
    return "" if node.ready else LostReason.NODE_NOT_READY
