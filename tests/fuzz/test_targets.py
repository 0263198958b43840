"""The short fuzz run: every target of `make fuzz`, with hypothesis in the place of atheris."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cluster.snapshot import NODES
from tests.fuzz.edits import RAW, document
from tests.fuzz.events import NODE_EVENTS, POD_EVENTS, PROFILE_EVENTS
from tests.fuzz.objects import Watched
from tests.fuzz.questions import ARGUMENTS, REVIEWS
from tests.fuzz.run import INPUTS
from tests.fuzz.target import PromiseBroken, Target
from tests.fuzz.targets import TARGETS
from tests.fuzz.texts import check_quantity

EXAMPLES = 680


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Thousands of bad objects are thousands of warnings."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


def inputs_of(target: Target) -> st.SearchStrategy[bytes]:
    made_of_words = st.lists(st.sampled_from(target.words or [""]), max_size=8).map("".join).map(str.encode)
    return st.one_of(made_of_words, st.text(max_size=30).map(str.encode)) if target.words else st.binary(max_size=80)


@pytest.mark.parametrize("name", TARGETS)
def test_no_bytes_break_the_promise_of(name: str) -> None:
    target = TARGETS[name]

    @settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
    @given(inputs_of(target))
    def every(data: bytes) -> None:
        target(data)

    every()


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_keep_the_promise_of(name: str) -> None:
    for seed in TARGETS[name].seeds:
        TARGETS[name](seed)


NESTED = {
    "review": REVIEWS,
    "extender": ARGUMENTS,
    "nodes": NODE_EVENTS,
    "pods": POD_EVENTS,
    "profiles": PROFILE_EVENTS,
}


@pytest.mark.parametrize("name", NESTED)
@pytest.mark.parametrize("depth", [700, 20_000])
def test_nesting_in_any_place_keeps_the_promise_of(name: str, depth: int) -> None:
    for original in NESTED[name]:
        for place in re.finditer(rb'": (?=["{\[0-9])', original):
            before, value = original[: place.end()], original[place.end() :].decode()
            _, end = json.JSONDecoder().raw_decode(value)
            TARGETS[name].check(before + b"[" * depth + b"]" * depth + value[end:].encode())


def test_every_target_has_its_share_of_the_long_run() -> None:
    assert set(INPUTS) == set(TARGETS)
    assert sum(INPUTS.values()) >= 1_000_000


def test_bytes_that_begin_as_raw_are_handed_on() -> None:
    assert document(bytes([RAW]) + b"no JSON", REVIEWS) == b"no JSON"


def test_bytes_without_edits_give_an_original() -> None:
    assert [document(bytes([1, index]), REVIEWS) for index in range(len(REVIEWS))] == list(REVIEWS)


def test_a_mistake_that_a_reflector_catches_breaks_the_promise() -> None:
    def stumble(*_: Any) -> None:
        raise RuntimeError("stumbled")

    watched = Watched(NODES, stumble)
    with pytest.raises(PromiseBroken, match="stumbled"):
        watched.bring(NODE_EVENTS[0])


def test_a_wrong_amount_breaks_the_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fuzz.texts.whole", lambda _: 4)
    with pytest.raises(PromiseBroken, match="'3' is 3, not 4"):
        check_quantity(b"3")
