"""Whatever has happened before: every answer is what forecasting each node anew would give."""

from __future__ import annotations

from datetime import UTC, datetime
from math import inf
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from cluster import wire
from extender.outlook import Outlooks
from extender.roster import Roster
from model.names import KATA_DEPLOY, KATA_LABEL, PROFILE_ANNOTATION
from tests.cluster.objects import decoded, event, image, node_document, pod
from tests.extender.oracle import Oracle
from tests.extender.world import World

NODES = [f"n{number}" for number in range(12)]
IMAGES = [f"registry.example/app-{number}:v1" for number in range(5)]
BYTES = [1_000_000, 700_000_000, 1_130_000_000, 5_000_000_000]
HANDLERS = [["", "runc", "kata-qemu"], ["", "runc", "kata-qemu"], ["", "runc"], None]
ASKED = [IMAGES[:1], IMAGES[:2], IMAGES[1:3], [IMAGES[0], IMAGES[4], IMAGES[1]]]
"""Few, so that pods of a kind come again, and find what was worked out for those before them."""
PROFILE_NAMES = ["kata-agents", "kata-agents", "kata-others"]
CLASSES = ["kata-qemu", "kata-qemu", "kata-clh", None]
FILLING = [image(f"registry.example/filling-{number}:v1", 300_000_000) for number in range(48)]


def some(values: list[Any]) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


AGES = st.integers(-400, 900)
"""Seconds since something happened; sometimes a clock is ahead of ours."""


def time_text(age: int, now: float) -> str:
    return datetime.fromtimestamp(int(now) - age, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@st.composite
def nodes(draw: st.DrawFn, now: float, name: str) -> wire.Node:
    images = [image(reference, draw(some(BYTES))) for reference in draw(st.lists(some(IMAGES), unique=True))]
    metadata: dict[str, Any] = {"creationTimestamp": time_text(draw(AGES), now)}
    if label := draw(some([None, "true", "true", "false"])):
        owner: dict[str, Any] = {"f:metadata": {"f:labels": {f"f:{KATA_LABEL}": {}}}}
        metadata["labels"] = {KATA_LABEL: label}
        metadata["managedFields"] = [{"time": time_text(draw(AGES), now), "fieldsV1": owner}]
    document = node_document(
        name,
        handlers=draw(some(HANDLERS)),
        ready=draw(some(["True", "True", "True", "False", None])),
        images=images + (FILLING if draw(st.booleans()) else []),
        metadata=metadata,
        nodeInfo={"architecture": draw(some(["amd64", "amd64", "arm64", "riscv64"]))},
    )
    return decoded(wire.Node, document)


PROFILES = st.fixed_dictionaries(
    {"runtimeClassName": st.just("kata-qemu")},
    optional={
        "settleSeconds": st.integers(0, 300),
        "installSettleSeconds": st.integers(0, 300),
        "peerPods": st.just({"enabled": True}),
        "startup": st.fixed_dictionaries(
            {},
            optional={
                "parallelImagePulls": st.just(True),
                "applicationSeconds": st.dictionaries(some(["amd64", "arm64"]), st.integers(0, 90)),
                "contentionMillisecondsPerStart": some([0, 100, 1_700]),
                "pullMegabytesPerSecond": st.integers(1, 90),
            },
        ),
    },
)


class Days(RuleBasedStateMachine):
    """Random days in the life of a small fleet."""

    @initialize()
    def begin(self) -> None:
        self.world = World()
        self.oracle = Oracle(self.world)
        self.roster = Roster(self.world.fleet, lambda _: None)
        self.outlooks = Outlooks(self.roster, self.world.fleet)
        self.nodes: dict[str, wire.Node] = {}
        self.pods: dict[str, wire.Pod] = {}
        self.events: dict[str, wire.Event] = {}

    @rule(data=st.data(), name=some(NODES))
    def node_comes_or_changes(self, data: st.DataObject, name: str) -> None:
        new = data.draw(nodes(self.world.now, name))
        self.world.fleet.node_changed(self.nodes.get(name), new)
        self.nodes[name] = new

    @rule(name=some(NODES))
    def node_goes(self, name: str) -> None:
        old = self.nodes.pop(name, None)
        if old is not None:
            self.world.fleet.node_changed(old, None)
            self.oracle.saw_departure(name)

    @rule(
        number=st.integers(0, 7),
        on=some(["", *NODES]),
        images=st.lists(some(IMAGES), min_size=1, max_size=2),
        ready=some(["True", "False", "False"]),
        is_installer=st.booleans(),
        started=st.none() | AGES,
    )
    def pod_comes_or_changes(
        self, number: int, on: str, images: list[str], ready: str, *, is_installer: bool, started: int | None
    ) -> None:
        name = f"pod-{number}"
        state: dict[str, Any] = {"waiting": {"reason": "Creating"}}
        if started is not None:
            state = {"running": {"startedAt": time_text(started, self.world.now)}}
        new = pod(
            name,
            on=on,
            images=tuple(images),
            labels={"name": KATA_DEPLOY} if is_installer else {},
            conditions=[{"type": "Ready", "status": ready}],
            containerStatuses=[{"name": "c0", "state": state}],
        )
        old = self.pods.get(name)
        self.world.fleet.pod_changed(old, new)
        if old is not None and not old.spec.node_name and on:
            self.oracle.saw_binding(new.metadata.uid)
        self.pods[name] = new

    @rule(number=st.integers(0, 7))
    def pod_goes(self, number: int) -> None:
        old = self.pods.pop(f"pod-{number}", None)
        if old is not None:
            self.world.fleet.pod_changed(old, None)

    @rule(name=some(NODES), age=AGES, is_failure=st.booleans())
    def event_comes(self, name: str, age: int, *, is_failure: bool) -> None:
        key = f"{name}-{is_failure}"
        new = event(key, host=name, at=time_text(age, self.world.now))
        fleet = self.world.fleet
        change = fleet.sandbox_failure_changed if is_failure else fleet.containerd_start_changed
        change(self.events.get(key), new)
        self.events[key] = new

    @rule(reference=some(IMAGES), size=some(BYTES), architecture=some(["amd64", "arm64"]))
    def size_is_told(self, reference: str, size: int, architecture: str) -> None:
        """By a node that does nothing else, and is gone before long (`teller_goes`)."""
        images = [image(reference, size)]
        new = decoded(wire.Node, node_document("teller", images=images, nodeInfo={"architecture": architecture}))
        self.world.fleet.node_changed(self.nodes.get("teller"), new)
        self.nodes["teller"] = new

    @rule()
    def teller_goes(self) -> None:
        self.node_goes("teller")

    @rule(name=some(PROFILE_NAMES), spec=PROFILES)
    def profile_changes(self, name: str, spec: dict[str, Any]) -> None:
        self.world.put_profile(name, **spec)

    @rule(handler=some(["kata-qemu", "kata-clh", "runc"]))
    def runtime_class_changes(self, handler: str) -> None:
        new = decoded(wire.RuntimeClass, {"metadata": {"name": "kata-qemu"}, "handler": handler})
        self.world.tenancy.runtime_class_changed(None, new)

    @rule(seconds=st.floats(0, 5) | st.integers(0, 400) | st.sampled_from([-1.5, -60.0]))
    def time_goes_on(self, seconds: float) -> None:
        self.world.now += seconds
        self.world.wall += abs(seconds)

    @rule(
        number=st.integers(0, 7),
        runtime_class=some(CLASSES),
        images=some(ASKED) | st.lists(some(IMAGES), min_size=1, max_size=3),
        profile=some(PROFILE_NAMES),
        names=st.lists(some([*NODES, "nobody-knows"]), max_size=15),
        has_init=st.booleans(),
    )
    def scheduler_asks(
        self,
        number: int,
        runtime_class: str | None,
        images: list[str],
        profile: str,
        names: list[str],
        *,
        has_init: bool,
    ) -> None:
        init = [{"name": "init", "image": IMAGES[0]}] if has_init else []
        subject = pod(
            f"pod-{number}",
            images=tuple(images),
            annotations={PROFILE_ANNOTATION: profile},
            spec={"runtimeClassName": runtime_class, "initContainers": init},
        )
        assert self.world.refused(subject, *names) == self.oracle.refusals(subject, names)
        assert self.world.scores(subject, *names) == self.oracle.scores(subject, names)
        self.seconds_are_the_same(subject)

    def seconds_are_the_same(self, subject: wire.Pod) -> None:
        """Scores hide what is less than a step; the sums themselves are equal to the last bit."""
        profile = self.oracle.profile_of(subject)
        if profile is None:
            return
        needs = self.oracle.needs(subject)
        self.roster.refresh()
        shares = np.zeros(self.roster.capacity)
        for name, row in self.roster.rows.items():
            shares[row] = self.oracle.share_on(name)
        rows = np.fromiter(self.roster.rows.values(), np.intp)
        seconds = self.outlooks.of(needs, profile).seconds(rows, shares, self.world.now)
        plain = {name: self.oracle.forecast(needs, name, profile.spec) for name in self.roster.rows}
        expected = {name: inf if item is None or item.impossible else item.seconds for name, item in plain.items()}
        assert dict(zip(self.roster.rows, seconds.tolist(), strict=True)) == expected


TestDays = Days.TestCase
TestDays.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
