"""The snapshot of nodes, and of what the pods and events on them add, indexed for those who ask on a request path.

Everything happens in the event loop's thread: reflectors change the snapshot between two awaits, so readers need no
locks and get no copies. A node's facts are built once after a change and are immutable; a reader may keep them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from cluster import metrics, wire
from cluster.clock import Clock
from cluster.demands import allocatable_of, amounts_of, traits_of
from cluster.tenancy import Tenancy
from cluster.translation import (
    flaw_of,
    images_in_use,
    installer,
    is_finished,
    is_installer,
    is_starting,
    node_facts,
    pod_needs,
    sized_images,
)
from model.errors import InvalidInput
from model.nodes import NodeFacts
from model.requirements import NodeTraits
from model.resources import Amounts, room

log = logging.getLogger(__name__)

BindingObserver = Callable[[wire.Pod], None]


class _NodeRecord:
    """A node as its sources tell it; they are joined when somebody asks after a change.

    The sources come in any order: pods and events may be known before their node. Events stand by their key, with the
    instant they were last seen.
    """

    __slots__ = (
        *("allocatable", "containerd_starts", "free", "joined", "object_facts"),
        *("flaw", "pods", "sandbox_failures", "sizes", "traits"),
    )

    def __init__(self) -> None:
        self.object_facts: NodeFacts | None = None
        self.sizes: dict[str, int] = {}
        self.pods: dict[str, wire.Pod] = {}
        self.sandbox_failures: dict[str, float] = {}
        self.containerd_starts: dict[str, float] = {}
        self.flaw = ""
        self.traits: NodeTraits | None = None
        self.allocatable: dict[str, int] = {}
        self.free: dict[str, int] | None = None
        self.joined: NodeFacts | None = None

    def free_now(self) -> dict[str, int]:
        if self.free is None:
            self.free = room(self.allocatable, (_amounts(pod) for pod in self.pods.values()))
        return self.free

    @property
    def is_empty(self) -> bool:
        return self.object_facts is None and not (self.pods or self.sandbox_failures or self.containerd_starts)


class Fleet:
    """Nodes by name, and the sizes of images as nodes report them (`bytes_of`).

    `ready` says why nodes and pods cannot be relied on, or None; left out, it is the tenancy's.
    """

    def __init__(self, clock: Clock, tenancy: Tenancy, complaint: Callable[[], str | None] | None = None) -> None:
        self.ready = complaint or tenancy.ready
        self._clock = clock
        self._tenancy = tenancy
        self._records: dict[str, _NodeRecord] = {}
        self._sizes: dict[tuple[str, str], dict[str, int]] = {}
        self._largest: dict[tuple[str, str], int] = {}
        self._observers: list[BindingObserver] = []
        self._change_observers: list[Callable[[], None]] = []

    def node(self, name: str) -> NodeFacts | None:
        """The facts of a node; None where no Node of that name exists."""
        record = self._records.get(name)
        if record is None or record.object_facts is None:
            return None
        if record.joined is None:
            record.joined = self._join(record, record.object_facts)
        return record.joined

    def nodes(self) -> Iterator[NodeFacts]:
        return (facts for name in list(self._records) if (facts := self.node(name)) is not None)

    def offers(self) -> Iterator[tuple[NodeFacts, NodeTraits, dict[str, int]]]:
        """Each node with what decides who may go there, and what is free beside the pods bound to it."""
        for name, record in self._records.items():
            facts = self.node(name)
            if facts is None or record.traits is None:
                continue
            yield facts, record.traits, record.free_now()

    def free_on(self, name: str) -> dict[str, int]:
        """What is free on a node beside the pods bound to it; nothing where it is not known."""
        record = self._records.get(name)
        return {} if record is None else record.free_now()

    def pods_on(self, name: str) -> list[wire.Pod]:
        record = self._records.get(name)
        return list(record.pods.values()) if record else []

    def bytes_of(self, image: str, architecture: str) -> int | None:
        """The largest size that a node of the architecture reports for an image, in bytes."""
        key = image, architecture
        if key not in self._largest and (reports := self._sizes.get(key)):
            self._largest[key] = max(reports.values())
        return self._largest.get(key)

    def on_binding(self, observer: BindingObserver) -> None:
        """Call `observer` with each pod that is seen to be bound (not with those that were when we began)."""
        self._observers.append(observer)

    def on_change(self, observer: Callable[[], None]) -> None:
        """Call `observer` after each change of a node, of a pod on one, or of an event about one."""
        self._change_observers.append(observer)

    def node_changed(self, old: wire.Node | None, new: wire.Node | None) -> None:
        name = (new or old).metadata.name  # type: ignore[union-attr] # a sink gets one of the two at least
        record = self._records.setdefault(name, _NodeRecord())
        previous = record.object_facts
        record.object_facts = node_facts(new, self._clock) if new else None
        record.traits = traits_of(new) if new else None
        record.allocatable = allocatable_of(new) if new else {}
        self._note_flaw(record, new)
        self._report_sizes(name, record, previous, new)
        self._touch(record)
        self._drop_if_empty(name)

    def pod_changed(self, old: wire.Pod | None, new: wire.Pod | None) -> None:
        """Keep the pod under its node; an unbound pod is nobody's."""
        if old is not None and (new is None or new.spec.node_name != old.spec.node_name):
            self._take_pod(old)
        if new is None or not new.spec.node_name:
            return
        record = self._records.setdefault(new.spec.node_name, _NodeRecord())
        record.pods[new.metadata.key] = new
        self._touch(record)
        if old is not None and not old.spec.node_name:
            for observer in self._observers:
                observer(new)

    def sandbox_failure_changed(self, old: wire.Event | None, new: wire.Event | None) -> None:
        self._event_changed(old, new, lambda record: record.sandbox_failures)

    def containerd_start_changed(self, old: wire.Event | None, new: wire.Event | None) -> None:
        self._event_changed(old, new, lambda record: record.containerd_starts)

    def _event_changed(
        self, old: wire.Event | None, new: wire.Event | None, seen_on: Callable[[_NodeRecord], dict[str, float]]
    ) -> None:
        if old is not None and (record := self._records.get(_node_of(old))) is not None:
            seen_on(record).pop(old.metadata.key, None)
            self._touch(record)
            self._drop_if_empty(_node_of(old))
        if new is None or not (name := _node_of(new)):
            return
        if (instant := self._clock.instant(new.last_seen)) is not None:
            record = self._records.setdefault(name, _NodeRecord())
            seen_on(record)[new.metadata.key] = instant
            self._touch(record)

    def _take_pod(self, pod: wire.Pod) -> None:
        record = self._records.get(pod.spec.node_name)
        if record is not None:
            record.pods.pop(pod.metadata.key, None)
            self._touch(record)
            self._drop_if_empty(pod.spec.node_name)

    def _note_flaw(self, record: _NodeRecord, node: wire.Node | None) -> None:
        """Log and count a node whose report cannot be believed, when it begins to be so, not at each heartbeat."""
        flaw = flaw_of(node) if node else ""
        if node is not None and flaw and flaw != record.flaw:
            metrics.BAD_OBJECTS.labels("nodes").inc()
            log.warning("node %s: %s; taken as unknown", node.metadata.name, flaw)
        record.flaw = flaw

    def _touch(self, record: _NodeRecord) -> None:
        record.joined = record.free = None
        for observer in self._change_observers:
            observer()

    def _drop_if_empty(self, name: str) -> None:
        if self._records[name].is_empty:
            del self._records[name]

    def _report_sizes(self, name: str, record: _NodeRecord, previous: NodeFacts | None, new: wire.Node | None) -> None:
        sizes = dict(sized_images(new)) if new else {}
        architecture = record.object_facts.architecture if record.object_facts else ""
        was = previous.architecture if previous else ""
        for image in record.sizes.keys() - sizes.keys() if architecture == was else list(record.sizes):
            self._largest.pop((image, was), None)
            reports = self._sizes[image, was]
            del reports[name]
            if not reports:
                del self._sizes[image, was]
        for image, size in sizes.items():
            if architecture != was or record.sizes.get(image) != size:
                self._largest.pop((image, architecture), None)
                self._sizes.setdefault((image, architecture), {})[name] = size
        record.sizes = sizes

    def _join(self, record: _NodeRecord, facts: NodeFacts) -> NodeFacts:
        alive = [pod for pod in record.pods.values() if not is_finished(pod)]
        is_listed_whole = facts.images_reported and facts.smallest_reported_bytes is None
        # What finished pods used is likely there still; where the node lists all that it has, the list knows better.
        witnesses = alive if is_listed_whole else record.pods.values()
        images = facts.images.union(*(images_in_use(pod) for pod in witnesses))
        starting = [pod for pod in alive if is_starting(pod)]
        wanted = {image for pod in starting for image in pod_needs(pod, self._tenancy.handler_of).images}
        installers = [installer(pod, self._clock) for pod in alive if is_installer(pod)]
        return replace(
            facts,
            images=images,
            starting=float(len(starting)),
            pulling=frozenset(wanted - images),
            installer=max(installers, key=lambda item: item.created, default=None),
            sandbox_failed=_last_since(facts.created, record.sandbox_failures.values()),
            containerd_restarted=_last_since(
                facts.created, record.containerd_starts.values(), facts.containerd_restarted
            ),
        )


def _amounts(pod: wire.Pod) -> Amounts:
    """What a bound pod takes; nothing once it is finished, or where its quantities cannot be read."""
    try:
        return () if is_finished(pod) else amounts_of(pod)
    except InvalidInput:
        return ()


def _node_of(event: wire.Event) -> str:
    """The node an event tells of; empty where it names none."""
    subject = event.involved_object
    return event.source.host or (subject.name if subject.kind == "Node" else "")


def _last_since(created: float, instants: Iterable[float], other: float | None = None) -> float | None:
    """The last of the instants; those before the node's creation tell of a former node of its name."""
    return max((instant for instant in (*instants, other) if instant is not None and instant >= created), default=None)
