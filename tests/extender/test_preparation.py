"""The column of node, runtime and settle is what the terms say, whatever is going on, at any time, to the last bit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.fleet import Fleet
from extender.preparation import Preparation
from extender.roster import Roster
from model.nodes import NodeFacts, RuntimeInstaller
from model.runtime import RuntimeState, runtime_on
from model.terms import node_term, runtime_term, settle_term
from tests.builders import profile
from tests.extender.world import NOW

HANDLER = "kata-qemu"

TURNS = (-400, -121, -120, -119, -60, -55, -50, -1, 0, 1, 299, 300, 301)
"""Seconds from `NOW` at which something may have begun: on both sides of every limit that a term knows."""

instants = st.sampled_from(TURNS).map(lambda seconds: NOW + seconds)
maybe = st.none() | instants

installers = st.builds(
    RuntimeInstaller, created=instants, started=maybe, ready=st.booleans(), restarts=st.integers(0, 1)
)


@st.composite
def nodes(draw: st.DrawFn, name: str) -> NodeFacts:
    return NodeFacts(
        name,
        created=draw(instants),
        ready=draw(st.sampled_from([True, False, None])),
        handlers=draw(st.sampled_from([None, frozenset[str](), frozenset({HANDLER})])),
        kata_label=draw(st.sampled_from([None, "true", "false"])),
        kata_labelled=draw(maybe),
        installer=draw(st.none() | installers),
        containerd_restarted=draw(maybe),
        sandbox_failed=draw(maybe),
    )


class Nodes:
    """What a roster asks of a fleet."""

    def __init__(self) -> None:
        self.facts: dict[str, NodeFacts] = {}
        self._observers: list[Callable[[str], None]] = []

    def put(self, facts: NodeFacts) -> None:
        self.facts[facts.name] = facts
        for observer in self._observers:
            observer(facts.name)

    def names(self) -> list[str]:
        return list(self.facts)

    def has(self, name: str) -> bool:
        return name in self.facts

    def node(self, name: str) -> NodeFacts | None:
        return self.facts.get(name)

    def on_node_change(self, observer: Callable[[str], None]) -> None:
        self._observers.append(observer)

    def on_size_change(self, observer: Any) -> None:
        """Sizes are of no matter here."""


class Column:
    """The column of one handler, each of whose rows is compared with the terms whenever it is read."""

    def __init__(self, handler: str = HANDLER, **spec: int) -> None:
        self._handler = handler
        self._profile = profile("kata-agents", **spec).spec
        self._fleet = Nodes()
        self._roster = Roster(cast("Fleet", self._fleet), lambda _: None)
        self.preparation = Preparation(self._roster, handler, self._profile)

    def put(self, *facts: NodeFacts) -> None:
        for node in facts:
            self._fleet.put(node)
        self._roster.refresh()

    def at(self, now: float) -> dict[str, float]:
        column = self.preparation.at(now)
        found = {name: float(column[row]) for name, row in self._roster.rows.items()}
        assert found == {name: self._expected(node, now) for name, node in self._fleet.facts.items()}, now - NOW
        return found

    def _expected(self, node: NodeFacts, now: float) -> float:
        runtime = runtime_on(node, self._handler, now)
        if runtime.state is RuntimeState.ABSENT:
            return inf
        before = node_term(node, now).seconds + runtime_term(node, runtime, now).seconds
        return before + settle_term(node, runtime, self._profile, now).seconds


PASSED = (0.0, 0.3, 1.0, 5.0, 54.7, 60.0, 119.9, 120.0, 299.5, 400.0, -70.0)
"""Seconds between two looks; a clock may be set back."""


@settings(max_examples=300)
@given(
    still=nodes("n2"),
    looks=st.lists(st.tuples(st.sampled_from(PASSED), nodes("n1")), min_size=1, max_size=6),
    changes=st.booleans(),
    settle=st.sampled_from([0, 20, 60]),
    install_settle=st.sampled_from([0, 45, 400]),
    handler=st.sampled_from([HANDLER, ""]),
)
def test_every_row_is_the_sum_of_its_terms_at_every_time(
    *,
    still: NodeFacts,
    looks: list[tuple[float, NodeFacts]],
    changes: bool,
    settle: int,
    install_settle: int,
    handler: str,
) -> None:
    """One node is another one at each look, or only the time passes; the other stays what it is."""
    column = Column(handler, settleSeconds=settle, installSettleSeconds=install_settle)
    column.put(still)
    now = NOW
    for number, (passed, node) in enumerate(looks):
        if changes or not number:
            column.put(node)
        now += passed
        column.at(now)


def test_a_handler_that_never_came_after_its_label_is_given_up() -> None:
    column = Column()
    labelled = NodeFacts("n1", ready=True, handlers=frozenset(), kata_label="true", kata_labelled=NOW)
    restarted = RuntimeInstaller(created=NOW - 60, started=NOW - 30, ready=True)
    column.put(
        labelled,
        replace(labelled, name="n2", installer=restarted),
        replace(labelled, name="n3", installer=restarted, kata_label=None, kata_labelled=NOW + 60),
    )
    assert [column.at(NOW + passed)["n1"] < inf for passed in (0, 119, 120, 121)] == [True, True, False, False]


def test_a_restart_that_is_still_to_come_does_not_come_nearer_with_time() -> None:
    column = Column(settleSeconds=20)
    waiting = RuntimeInstaller(created=NOW - 60)
    column.put(NodeFacts("n1", ready=True, handlers=frozenset({HANDLER}), installer=waiting))
    assert [column.at(NOW + passed)["n1"] for passed in (0, 10, 100)] == [35, 35, 35]


def test_an_instant_far_ahead_of_our_clock_counts_once_the_clock_is_near() -> None:
    column = Column(settleSeconds=20)
    column.put(NodeFacts("n1", ready=True, handlers=frozenset({HANDLER}), sandbox_failed=NOW + 301))
    assert [column.at(NOW + passed)["n1"] for passed in (0, 1, 301, 321)] == [0, 35, 35, 0]


def test_a_fleet_that_installs_costs_each_node_once() -> None:
    column = Column()
    nodes = [NodeFacts(f"n{number}", ready=True, kata_label="false", created=NOW - number) for number in range(30)]
    column.put(*nodes)
    column.at(NOW)
    before = column.preparation.evaluated
    for passed in range(1, 100):
        column.at(NOW + passed)
    column.put(replace(nodes[7], ready=False))
    column.at(NOW + 100)
    assert column.preparation.evaluated == before + 1
