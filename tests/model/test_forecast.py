"""The forecast: a sum of terms that says what the first seed measured, and never nonsense."""

from __future__ import annotations

import json
import math
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.forecast import TERM_NAMES, Forecast, forecast
from model.nodes import NodeFacts
from model.pods import PodNeeds
from model.terms import Term
from tests.builders import AGENT_IMAGE, AGENT_IMAGE_BYTES, Sizes, demand, node, priors
from tests.model.values import DEMANDS, MOMENTS, NODES, SIZES

NOW = 10_000.0
KNOWN = Sizes({AGENT_IMAGE: AGENT_IMAGE_BYTES})
RUNC = frozenset({"", "runc"})


def seconds(subject: NodeFacts, pod: PodNeeds | None = None) -> float:
    return forecast(pod or demand(init=True), subject, priors(), KNOWN, NOW).seconds


def test_a_warm_amd64_node_takes_the_first_seeds_43_seconds() -> None:
    assert seconds(node()) == pytest.approx(43.0)


def test_arm64_takes_17_seconds_more() -> None:
    assert seconds(node(architecture="arm64")) - seconds(node()) == pytest.approx(17.0)


def test_a_missing_image_of_1_13_gigabytes_takes_40_seconds_more() -> None:
    assert seconds(node(images=frozenset())) - seconds(node()) == pytest.approx(40.3125)


def test_a_node_on_which_kata_was_just_installed_is_minutes_behind() -> None:
    fresh = node(kata_labelled=NOW - 5, installer=None, containerd_restarted=None, handlers=RUNC, images=frozenset())
    assert seconds(fresh) > 200.0


def test_an_image_that_may_be_hidden_lies_strictly_between_present_and_absent() -> None:
    hidden = node(images=frozenset(), smallest_reported_bytes=2 * AGENT_IMAGE_BYTES)
    assert seconds(node()) < seconds(hidden) < seconds(node(images=frozenset()))


def test_a_handler_that_nobody_tells_of_lies_strictly_between_present_and_coming() -> None:
    untold = node(handlers=None, kata_label=None, created=NOW - 86_400)
    coming = node(handlers=RUNC, kata_label="false", created=NOW)
    assert seconds(node()) < seconds(untold) < seconds(coming)


def test_a_node_that_does_not_tell_whether_it_is_ready_lies_strictly_between_ready_and_booting() -> None:
    booting = seconds(node(ready=False, created=NOW))
    assert seconds(node()) < seconds(node(ready=None)) < booting


def test_a_node_of_which_only_the_name_is_known_is_better_than_a_cold_one() -> None:
    nameless = NodeFacts("bare", created=NOW - 86_400, images_reported=False)
    cold = node(handlers=RUNC, kata_label="false", created=NOW, images=frozenset())
    assert seconds(node()) < seconds(nameless) < seconds(cold)


@pytest.mark.parametrize(("handlers", "impossible"), [(RUNC, True), (None, False), (frozenset({"kata-qemu"}), False)])
def test_only_an_absent_handler_makes_a_start_impossible(handlers: frozenset[str] | None, impossible: bool) -> None:
    verdict = forecast(demand(), node(handlers=handlers, kata_label=None), priors(), KNOWN, NOW)
    assert bool(verdict.impossible) is impossible


def test_the_order_of_images_does_not_matter_for_pulls_one_by_one() -> None:
    images, sizes = ("a:v1", "b:v2", "c:v3"), Sizes({"a:v1": 10**9, "b:v2": 3, "c:v3": 7 * 10**7})
    cold = node(images=frozenset())
    totals = {round(forecast(demand(*order), cold, priors(), sizes, NOW).seconds, 6) for order in permutations(images)}
    assert len(totals) == 1


@given(DEMANDS, NODES, SIZES, MOMENTS, st.booleans(), st.booleans())
def test_whatever_is_told_the_seconds_are_the_sum_of_finite_terms_that_are_never_negative(
    pod: PodNeeds, subject: NodeFacts, sizes: Sizes, now: float, parallel: bool, peer_pods: bool
) -> None:
    profile = priors(startup={"parallelImagePulls": parallel}, peerPods={"enabled": peer_pods})
    verdict = forecast(pod, subject, profile, sizes, now)
    assert tuple(term.name for term in verdict.terms) == TERM_NAMES
    assert all(0.0 <= term.seconds < math.inf for term in verdict.terms)
    assert verdict.seconds == sum(term.seconds for term in verdict.terms)


@given(DEMANDS, NODES, SIZES, MOMENTS)
def test_an_image_more_on_a_node_never_costs_time(pod: PodNeeds, subject: NodeFacts, sizes: Sizes, now: float) -> None:
    richer = node(
        subject.name,
        **{name: getattr(subject, name) for name in NodeFacts.__slots__ if name not in ("name", "images", "pulling")},
        images=subject.images | {AGENT_IMAGE},
        pulling=subject.pulling - {AGENT_IMAGE},
    )
    poorer = forecast(pod, subject, priors(), sizes, now).seconds
    assert forecast(pod, richer, priors(), sizes, now).seconds <= poorer + 1e-6


def test_the_sentence_tells_the_node_the_seconds_and_the_terms_largest_first() -> None:
    verdict = Forecast(
        "n1",
        40.0,
        (Term("node", 0.0, "observed"), Term("sandbox", 3.0, "prior"), Term("pull", 37.0, "prior", "1 image")),
    )
    assert verdict.describe() == "ready in about 40 s on n1: pull 37 (1 image), sandbox 3"


def test_the_sentence_of_an_impossible_start_tells_the_reason() -> None:
    assert Forecast("n1", 0.0, (), "no handler").describe() == "cannot start on n1: no handler"


def test_the_json_is_compact_and_has_one_decimal() -> None:
    text = forecast(demand(), node(images=frozenset()), priors(), KNOWN, NOW).to_json()
    document = json.loads(text)
    assert (document["node"], document["seconds"], document["terms"]["pull"]) == ("warm", 80.3, 40.3)
    assert tuple(document["terms"]) == TERM_NAMES
    assert " " not in text
