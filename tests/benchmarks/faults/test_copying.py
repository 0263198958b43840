"""A copy of the cluster may be behind, but neither silently for long nor for ever."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from benchmarks.faults.copying import Following, Sample, differences, judge_copy

STALE = "nodes: stale, the watch has been broken for 31 s"


def following(*samples: Sample, differing: Sequence[str] = (), must_complain: bool = False) -> Following:
    return Following(100, 10.0, samples, differing, 0.5, must_complain)


@pytest.mark.parametrize(
    ("seen", "held"),
    [
        (following(Sample(0.0, 0.1, None)), True),
        (following(Sample(0.0, 34.0, None), Sample(9.0, 60.0, STALE)), True),
        (following(Sample(0.0, 36.0, None)), False),
        (following(Sample(9.0, 60.0, STALE), Sample(9.5, 60.0, None)), True),
        (following(Sample(9.0, 60.0, STALE), Sample(10.5, 60.0, None)), False),
        (following(Sample(0.0, 0.1, None), must_complain=True), False),
        (following(Sample(0.0, 40.0, STALE), must_complain=True), True),
        (following(differing=["nodes node-00001"]), False),
    ],
)
def test_a_copy_holds_that_is_whole_at_the_end_and_says_when_it_is_old(seen: Following, held: bool) -> None:
    assert judge_copy("watch-cut", seen).held is held


def test_figures_tell_the_changes_and_how_long_the_copy_was_behind() -> None:
    found = judge_copy("api-500", following(Sample(0.0, 20.0, None), Sample(1.0, 50.0, STALE), differing=["pods a/b"]))
    assert (found.load, found.requests, found.lost, found.recovered_seconds) == (10.0, 100, 1, 0.5)
    assert (found.details["silent_seconds"], found.details["lacking_seconds"]) == (20.0, 50.0)


def test_objects_that_only_one_has_or_that_are_not_equal_differ() -> None:
    copy = {"nodes": {"a": 1, "b": 2}, "pods": {"x/p": 1}}
    fresh = {"nodes": {"a": 1, "b": 3, "c": 1}, "pods": {}}
    assert differences(copy, fresh) == ["nodes b", "nodes c", "pods x/p"]
    assert differences(copy, copy) == []
