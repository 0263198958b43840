"""The verdicts on single pods: nominate, hold or let through, each for its reason."""

from __future__ import annotations

from typing import Any

import pytest

from model import names
from model.nodes import RuntimeInstaller
from model.requirements import NodeTraits
from model.selectors import Expression, NodeTerm
from model.taints import Taint, Toleration
from placement.decision import decide, next_decision
from placement.inputs import GatedPod, NodeState
from placement.verdicts import Hold, HoldReason, LetThrough, LetThroughReason, Nominate, Verdict
from tests.placement.fleets import (
    COLD,
    NOW,
    RUNC,
    fleet,
    gated,
    installing,
    plain_needs,
    settling,
    several,
    state,
    tenant,
)


def verdict(pod: GatedPod, *nodes: NodeState, now: float = NOW) -> Verdict:
    return decide([pod], fleet(*nodes), now)[pod.uid]


def nominated(pod: GatedPod, *nodes: NodeState) -> str:
    found = verdict(pod, *nodes)
    assert isinstance(found, Nominate), found
    return found.node


def test_the_warm_node_is_nominated_with_its_forecast() -> None:
    found = verdict(gated(), state("cold", **COLD), state("warm"), state("arm", architecture="arm64"))
    assert isinstance(found, Nominate)
    assert (found.node, found.forecast.seconds) == ("warm", 40.0)


def test_the_next_best_is_nominated_where_the_best_has_no_room() -> None:
    assert nominated(gated(cpu=3_000), state("full", cpu=2_999), state("arm", architecture="arm64")) == "arm"


@pytest.mark.parametrize(
    "facts", [settling(5), {"sandbox_failed": NOW - 1}, {"ready": False, "created": NOW}, {"handlers": RUNC}]
)
def test_a_node_that_is_not_warm_is_never_nominated(facts: dict[str, Any]) -> None:
    found = verdict(gated(), state("not-warm", **facts), state("arm", architecture="arm64", **COLD))
    assert isinstance(found, Hold) or (isinstance(found, Nominate) and found.node == "arm")


def test_a_pod_waits_for_a_node_that_will_have_it_ready_sooner() -> None:
    found = verdict(gated(), state("soon", **settling(10)), state("arm", architecture="arm64"))
    assert isinstance(found, Hold)
    assert (found.reason, found.waits_for, found.until, found.seconds) == (HoldReason.SETTLING, "soon", NOW + 10, 50.0)


@pytest.mark.parametrize(("wait", "held"), [(14.9, True), (15.0, False), (17.0, False)])
def test_a_wait_has_to_be_better_by_more_than_the_tie(wait: float, held: bool) -> None:
    found = verdict(gated(), state("soon", **settling(wait)), state("arm", architecture="arm64"))
    assert isinstance(found, Hold) is held


def test_a_node_that_has_settled_is_nominated_when_the_wait_is_over() -> None:
    nodes = state("soon", **settling(10)), state("arm", architecture="arm64")
    held = verdict(gated(), *nodes)
    assert isinstance(held, Hold)
    later = verdict(gated(), *nodes, now=held.until)
    assert isinstance(later, Nominate)
    assert later.node == "soon"


def test_nobody_is_held_for_a_node_that_is_warm_only_after_the_deadline() -> None:
    found = verdict(gated(age=111), state("soon", **settling(10)))
    assert found == LetThrough(LetThroughReason.NOT_IN_TIME)


def test_a_wait_until_just_before_the_deadline_is_worth_it() -> None:
    assert isinstance(verdict(gated(age=109), state("soon", **settling(10))), Hold)


def test_an_installation_is_waited_for_where_the_profile_allows_so_long_a_hold() -> None:
    patient = tenant(maxHoldSeconds=300)
    assert isinstance(verdict(gated(profile=patient), state("new", **installing(30), **COLD)), Hold)
    assert isinstance(verdict(gated(), state("new", **installing(30), **COLD)), LetThrough)


def test_the_kata_label_that_an_installation_will_set_is_taken_for_set() -> None:
    pod = gated(profile=tenant(maxHoldSeconds=300), requirements={"node_selector": ((names.KATA_LABEL, "true"),)})
    assert isinstance(verdict(pod, state("new", **installing(30))), Hold)


def test_a_fresh_node_that_still_wears_its_startup_taint_is_waited_for() -> None:
    taint = Taint(names.NOT_WARM_TAINT, "NoSchedule")
    fresh = verdict(gated(needs=plain_needs()), state("fresh", taints=(taint,), created=NOW - 50))
    old = verdict(gated(needs=plain_needs()), state("old", taints=(taint,), created=NOW - 500))
    assert (type(fresh), type(old)) == (Hold, LetThrough)


@pytest.mark.parametrize(("warm_for", "kind"), [(0, Hold), (54, Hold), (56, LetThrough)])
def test_a_node_that_has_just_become_warm_is_given_time_to_lose_its_startup_taint(warm_for: float, kind: type) -> None:
    taint = Taint(names.NOT_WARM_TAINT, "NoSchedule")
    began = NOW - warm_for - 130
    installer = RuntimeInstaller(created=began - 60, started=began, ready=True)
    first: dict[str, Any] = {"installer": installer, "kata_labelled": began + 5, "created": began - 115}
    pod = gated(profile=tenant(maxHoldSeconds=600))
    found = verdict(pod, state("first", taints=(taint,), **first))
    assert type(found) is kind
    assert type(verdict(pod, state("shaken", taints=(taint,), **settling(-warm_for), created=NOW - 500))) is kind


def test_from_its_creation_on_a_pod_waits_for_an_installation_and_for_the_startup_taint_after_it() -> None:
    taint = Taint(names.NOT_WARM_TAINT, "NoSchedule")
    pod = gated(profile=tenant(maxHoldSeconds=600))
    for age in range(0, 250, 5):
        installed = age >= 115
        started = NOW - age + 115 if installed else None
        installer = RuntimeInstaller(created=NOW - age + 55, started=started, ready=installed) if age >= 55 else None
        facts: dict[str, Any] = {
            "ready": age >= 55,
            "created": NOW - age,
            "installer": installer,
            "kata_label": "false",
        }
        if installed:
            facts |= {"kata_label": "true", "kata_labelled": started}
        else:
            facts |= {"handlers": RUNC}
        assert type(verdict(pod, state("new", taints=(taint,), **facts))) is Hold, age


@pytest.mark.parametrize(
    ("pod", "nodes", "reason"),
    [
        (gated(), (), LetThroughReason.NO_NODE),
        (gated(), (state("n", cordoned=True),), LetThroughReason.NO_NODE),
        (gated(), (state("n", taints=(Taint("gpu", "NoSchedule"),)),), LetThroughReason.NO_NODE),
        (gated(requirements={"node_selector": (("zone", "x"),)}), (state("n"),), LetThroughReason.NO_NODE),
        (gated(requirements={"node_terms": ()}), (state("n"),), LetThroughReason.NO_NODE),
        (gated(cpu=5_000), (state("n"),), LetThroughReason.NO_ROOM),
        (gated(), (state("n", handlers=RUNC, kata_label=None),), LetThroughReason.NONE_WARM),
        (gated(age=115), (state("n", **settling(10)),), LetThroughReason.NOT_IN_TIME),
        (gated(age=120), (state("n"),), LetThroughReason.DEADLINE),
        (gated(profile=tenant(maxHoldSeconds=0)), (state("n"),), LetThroughReason.HOLD_DISABLED),
        (gated(unjudged="volumes"), (state("n"),), LetThroughReason.UNJUDGED),
    ],
)
def test_a_pod_is_let_through_for_its_reason(
    pod: GatedPod, nodes: tuple[NodeState, ...], reason: LetThroughReason
) -> None:
    found = verdict(pod, *nodes)
    assert isinstance(found, LetThrough)
    assert found.reason is reason


def test_what_cannot_be_judged_is_told() -> None:
    assert "volumes" in verdict(gated(unjudged="volumes"), state("n")).describe()


def test_a_tolerated_taint_and_a_matching_term_keep_nobody_out() -> None:
    pod = gated(
        requirements={
            "tolerations": (Toleration("gpu", "Exists"),),
            "node_terms": (NodeTerm((Expression("kubernetes.io/arch", "In", ("amd64",)),)),),
        }
    )
    assert nominated(pod, state("arm", architecture="arm64"), state("n", taints=(Taint("gpu", "NoSchedule"),))) == "n"


def test_a_node_whose_labels_do_not_fit_is_not_waited_for() -> None:
    soon = state("soon", **settling(5))
    other = NodeState(soon.facts, NodeTraits("soon", {}), soon.free)
    pod = gated(requirements={"node_selector": (("kubernetes.io/arch", "amd64"),)})
    assert isinstance(verdict(pod, other), LetThrough)


def test_the_pods_on_a_node_that_is_about_to_be_warm_are_as_many_as_it_has_room_for() -> None:
    nodes = state("soon", cpu=2_000, **settling(5)), state("cold", cpu=8_000, **COLD)
    found = decide(several(5), fleet(*nodes), NOW)
    assert sum(isinstance(item, Hold) for item in found.values()) == 2
    assert sum(isinstance(item, Nominate) for item in found.values()) == 3


def test_the_pod_with_the_latest_deadline_is_the_one_that_waits() -> None:
    old, young = gated("old", age=100), gated("young")
    found = decide([old, young], fleet(state("soon", cpu=1_000, **settling(5)), state("cold", **COLD)), NOW)
    assert (type(found["old"]), type(found["young"])) == (Nominate, Hold)


def test_the_pod_of_higher_priority_gets_the_better_node() -> None:
    low, high = gated("a-low"), gated("z-high", priority=10)
    found = decide([low, high], fleet(state("warm", cpu=1_000), state("cold", **COLD)), NOW)
    assert {uid: item.node for uid, item in found.items() if isinstance(item, Nominate)} == {
        "z-high": "warm",
        "a-low": "cold",
    }


def test_the_next_decision_is_due_when_the_first_wait_or_deadline_ends() -> None:
    held = verdict(gated(), state("soon", **settling(10)))
    assert next_decision([held], [NOW + 120, NOW + 60]) == NOW + 10
    assert next_decision([], [NOW + 120, NOW + 60]) == NOW + 60
    assert next_decision([], []) == float("inf")


def test_each_verdict_tells_itself_in_a_sentence() -> None:
    held = verdict(gated(), state("soon", **settling(10)))
    assert held.describe() == "waits for soon (settling), where it would be ready in about 50 s"
    assert verdict(gated(cpu=9_000), state("n")).describe() == "left to the scheduler: no warm node has room for it"
    assert verdict(gated(), state("n")).describe().startswith("ready in about 40 s on n")
