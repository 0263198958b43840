"""Prospects: when a node will be warm, what is not coming at all, and what the start then takes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given

from model.forecast import forecast
from model.nodes import NodeFacts, RuntimeInstaller
from model.pods import PodNeeds
from placement.prospects import Prospect, StartSeconds, prospect
from placement.verdicts import HoldReason
from tests.builders import Sizes, demand, node, priors
from tests.model.values import DEMANDS, MOMENTS, NODES
from tests.model.values import SIZES as ANY_SIZES
from tests.placement.fleets import NOW, RUNC, installing, settling


def way(handler: str = "kata-qemu", **facts: Any) -> Prospect | None:
    return prospect(node(**facts), handler, priors(), NOW)


def test_a_warm_node_can_be_had_now() -> None:
    assert way() == Prospect(0.0)


def test_a_settling_node_is_warm_when_its_window_closes() -> None:
    assert way(**settling(12)) == Prospect(12.0, stage=HoldReason.SETTLING)


def test_sandboxes_that_began_to_fail_lately_are_waited_for() -> None:
    assert way(sandbox_failed=NOW - 8, sandbox_failing_since=NOW - 60) == Prospect(12.0, stage=HoldReason.SETTLING)


def test_sandboxes_that_failed_for_long_and_do_no_more_are_forgotten() -> None:
    assert way(sandbox_failed=NOW - 20, sandbox_failing_since=NOW - 600) == Prospect(0.0)


def test_an_installation_is_followed_by_the_whole_settle_window() -> None:
    assert way(**installing(20)) == Prospect(40.0 + 130.0, stage=HoldReason.INSTALLING)


def test_a_booting_node_is_warm_for_the_default_runtime_once_it_is_ready() -> None:
    assert way("", ready=False, created=NOW - 35) == Prospect(20.0, stage=HoldReason.BOOTING)


@pytest.mark.parametrize(
    "facts",
    [
        {"handlers": RUNC, "kata_label": None},
        {"handlers": RUNC, "kata_label": "false", "created": NOW - 86_400},
        installing(121),
        {"ready": False, "created": NOW - 111},
        {"ready": None, "created": NOW - 86_400},
        {"ready": False, "created": NOW - 10, "handlers": None, "kata_label": None},
        {"installer": RuntimeInstaller(created=NOW - 121)},
        {"sandbox_failed": NOW - 1, "sandbox_failing_since": NOW - 121},
    ],
    ids=[
        "absent",
        "given-up",
        "overdue",
        "dead",
        "silent",
        "no-sign-of-a-runtime",
        "restart-that-never-comes",
        "failing-sandbox",
    ],
)
def test_nobody_waits_for_what_is_not_coming(facts: dict[str, Any]) -> None:
    assert way(**facts) is None


def test_a_handler_that_nobody_tells_of_can_be_had_now_and_costs_what_the_forecast_says() -> None:
    found = way(handlers=None, kata_label=None)
    assert found == Prospect(0.0, unknown_seconds=30.0)


@given(DEMANDS, NODES, ANY_SIZES, MOMENTS)
def test_where_a_pod_can_be_had_now_the_seconds_are_the_forecasts(
    pod: PodNeeds, subject: NodeFacts, sizes: Sizes, now: float
) -> None:
    found = prospect(subject, pod.handler, priors(), now)
    assume(found is not None and found.stage is None)
    assert found is not None
    seconds = found.unknown_seconds + StartSeconds(pod, priors(), sizes).on(subject)
    assert seconds == pytest.approx(forecast(pod, subject, priors(), sizes, now).seconds)


@given(DEMANDS, NODES, MOMENTS)
def test_a_wait_is_finite_and_names_its_stage_exactly_where_there_is_one(
    pod: PodNeeds, subject: NodeFacts, now: float
) -> None:
    found = prospect(subject, pod.handler, priors(), now)
    if found is not None:
        assert (found.until_warm_seconds > 0) is (found.stage is not None)
        assert found.until_warm_seconds < 2_000


def test_a_start_on_a_node_where_others_start_takes_longer() -> None:
    start = StartSeconds(demand(), priors(), Sizes())
    assert start.on(node(starting=5.0)) - start.on(node()) == pytest.approx(0.5)
