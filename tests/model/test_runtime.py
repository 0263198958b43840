"""Whether a runtime handler works on a node: reports outrank labels, and nothing is given up too soon."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.nodes import NodeFacts, RuntimeInstaller
from model.runtime import RuntimeState, runtime_on, seconds_left
from tests.builders import node

NOW = 10_000.0
KATA = frozenset({"", "runc", "kata-qemu"})
RUNC = frozenset({"", "runc"})
LONG_READY = RuntimeInstaller(created=0.0, started=0.0, ready=True)
JUST_READY = RuntimeInstaller(created=0.0, started=NOW - 119, ready=True)
AT_WORK = RuntimeInstaller(created=0.0, started=None, ready=False)

PRESENT, COMING, ABSENT, UNKNOWN = (
    RuntimeState.PRESENT,
    RuntimeState.INSTALLING,
    RuntimeState.ABSENT,
    RuntimeState.UNKNOWN,
)


@pytest.mark.parametrize(
    ("handlers", "label", "labelled", "installer", "ready", "state"),
    [
        # Reported: it is there, whatever else is told.
        (KATA, None, None, None, True, PRESENT),
        (KATA, "false", None, AT_WORK, False, PRESENT),
        (KATA, "true", 0.0, LONG_READY, None, PRESENT),
        # Handlers are reported, ours is not among them: the label alone does not help.
        (RUNC, None, None, None, True, ABSENT),
        (RUNC, "true", None, None, True, ABSENT),
        (RUNC, "true", NOW - 120, LONG_READY, True, ABSENT),
        (RUNC, "true", NOW - 119, LONG_READY, True, COMING),
        (RUNC, "false", None, None, True, COMING),
        (RUNC, None, None, AT_WORK, True, COMING),
        (RUNC, None, None, JUST_READY, True, COMING),
        (RUNC, None, None, LONG_READY, True, ABSENT),
        # No handlers are reported at all (older kubelets): the label is the best there is.
        (None, "true", None, None, True, PRESENT),
        (None, "true", 0.0, LONG_READY, True, PRESENT),
        (None, "false", None, None, True, COMING),
        (None, None, None, AT_WORK, True, COMING),
        (None, None, None, LONG_READY, True, UNKNOWN),
        (None, None, None, None, True, UNKNOWN),
        # A node that is not ready, or may not be, has not told everything yet.
        (RUNC, None, None, None, False, UNKNOWN),
        (RUNC, None, None, None, None, UNKNOWN),
        (RUNC, "false", None, None, False, COMING),
        (None, None, None, None, False, UNKNOWN),
    ],
)
def test_the_state_of_a_kata_handler(
    handlers: frozenset[str] | None,
    label: str | None,
    labelled: float | None,
    installer: RuntimeInstaller | None,
    ready: bool | None,
    state: RuntimeState,
) -> None:
    facts = node(handlers=handlers, kata_label=label, kata_labelled=labelled, installer=installer, ready=ready)
    assert runtime_on(facts, "kata-qemu", NOW).state is state


@pytest.mark.parametrize(("handlers", "state"), [(RUNC, ABSENT), (None, UNKNOWN), (RUNC | {"runsc"}, PRESENT)])
def test_signs_of_kata_say_nothing_about_other_runtimes(handlers: frozenset[str] | None, state: RuntimeState) -> None:
    facts = node(handlers=handlers, kata_label="false", installer=AT_WORK)
    assert runtime_on(facts, "runsc", NOW).state is state


@pytest.mark.parametrize("ready", [True, False, None])
def test_the_default_runtime_is_everywhere(ready: bool | None) -> None:
    assert runtime_on(node(handlers=RUNC, ready=ready), "", NOW).state is PRESENT


MOMENTS = st.none() | st.floats(-1e12, 1e12)
FACTS = st.builds(
    node,
    handlers=st.none() | st.sampled_from([RUNC, KATA]),
    kata_label=st.sampled_from([None, "true", "false", "perhaps", ""]),
    kata_labelled=MOMENTS,
    ready=st.sampled_from([True, False, None]),
    installer=st.none() | st.builds(RuntimeInstaller, created=st.floats(0, 1e12), started=MOMENTS, ready=st.booleans()),
)


@given(FACTS, st.floats(0, 1e12), st.floats(0, 1e12))
def test_the_reasons_are_constant_sentences(facts: NodeFacts, now: float, later: float) -> None:
    first, second = runtime_on(facts, "kata-qemu", now), runtime_on(facts, "kata-qemu", later)
    assert first.reason == second.reason or first.state is not second.state


@given(FACTS, st.floats(0, 1e12))
def test_only_a_ready_node_that_reports_handlers_can_lack_one(facts: NodeFacts, now: float) -> None:
    if runtime_on(facts, "kata-qemu", now).state is ABSENT:
        assert facts.ready is True
        assert facts.handlers is not None


@pytest.mark.parametrize(
    ("expected", "elapsed", "left"),
    [
        (60, 0, 60),
        (60, 55, 5),
        (60, 58, 5),
        (60, 60, 5),
        (60, 64, 5),
        (60, 80, 20),
        (60, 360, 300),
        (60, 1e9, 300),
        (60, -10, 60),
        (60, -1e9, 60),
        (0, 0, 5),
    ],
)
def test_what_is_overdue_takes_as_long_again_within_bounds(expected: float, elapsed: float, left: float) -> None:
    assert seconds_left(expected, elapsed) == left
