"""The snapshot of nodes, and of what the pods and events on them add, indexed for those who ask on a request path.

Everything happens in the event loop's thread: reflectors change the snapshot between two awaits, so readers need no
locks and get no copies. A node's facts are built once after a change and are immutable; a reader may keep them.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator

from cluster import metrics, wire
from cluster.bound import BoundPod, bound_pod
from cluster.clock import Clock
from cluster.demands import allocatable_of, repels, repulsions_of, traits_of
from cluster.images import NodeImage
from cluster.records import NodeRecord, Sighting
from cluster.repulsions import Repulsions
from cluster.sizes import ReportedSizes, SizeObserver
from cluster.tenancy import Tenancy
from cluster.translation import flaw_of, is_finished, node_facts
from model.nodes import NodeFacts
from model.requirements import NodeTraits
from model.selectors import PodIdentity

log = logging.getLogger(__name__)

BindingObserver = Callable[[wire.Pod], None]


class Fleet:
    """Nodes by name, and the sizes of images as nodes report them (`bytes_of`).

    `ready` says why nodes and pods cannot be relied on, or None; left out, it is the tenancy's.
    """

    def __init__(self, clock: Clock, tenancy: Tenancy, complaint: Callable[[], str | None] | None = None) -> None:
        self.ready = complaint or tenancy.ready
        self._clock = clock
        self._tenancy = tenancy
        self._records: dict[str, NodeRecord] = {}
        self._bound: dict[str, BoundPod] = {}
        self._installers: dict[str, dict[str, str]] = {}
        """By namespace the keys of pods that say they are kata-deploy's, each with its node."""
        self._repulsions = Repulsions()
        self._sizes = ReportedSizes()
        self._observers: list[BindingObserver] = []
        self._change_observers: list[Callable[[], None]] = []
        self._node_observers: list[Callable[[str], None]] = []
        tenancy.on_namespace_change(self._namespace_changed)

    def has(self, name: str) -> bool:
        """Whether a Node of that name exists."""
        record = self._records.get(name)
        return record is not None and record.object_facts is not None

    def names(self) -> list[str]:
        """The names of all nodes."""
        return [name for name in self._records if self.has(name)]

    @property
    def size(self) -> int:
        """How many nodes are known, if only by what is on them."""
        return len(self._records)

    def node(self, name: str) -> NodeFacts | None:
        """The facts of a node; None where no Node of that name exists."""
        record = self._records.get(name)
        return None if record is None else record.facts(self._is_trusted)

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

    def pods_on(self, name: str) -> list[BoundPod]:
        record = self._records.get(name)
        return list(record.pods.values()) if record else []

    def domains_closed_to(self, pod: PodIdentity) -> frozenset[tuple[str, str]]:
        """The labels of nodes where a pod that is bound or nominated repels this one by required anti-affinity."""
        found = set[tuple[str, str]]()
        for node, key in self._repulsions.against(pod):
            record = self._records.get(node)
            if record is not None and record.traits is not None and key in record.traits.labels:
                found.add((key, record.traits.labels[key]))
        return frozenset(found)

    def bytes_of(self, image: str, architecture: str) -> int | None:
        """The largest size that a node of the architecture reports for an image, in bytes."""
        return self._sizes.bytes_of(image, architecture)

    def on_binding(self, observer: BindingObserver) -> None:
        """Call `observer` with each pod when it is seen to be bound for the first time."""
        self._observers.append(observer)

    def on_change(self, observer: Callable[[], None]) -> None:
        """Call `observer` after each change of a node, of a pod on one, or of an event about one."""
        self._change_observers.append(observer)

    def on_node_change(self, observer: Callable[[str], None]) -> None:
        """The same with the name of the node, at once and each time: an observer notes it and looks later."""
        self._node_observers.append(observer)

    def on_size_change(self, observer: SizeObserver) -> None:
        """Call `observer` with image and architecture whenever `bytes_of` them has become something else."""
        self._sizes.observers.append(observer)

    def node_changed(self, old: wire.Node | None, new: wire.Node | None) -> None:
        name = (new or old).metadata.name  # type: ignore[union-attr] # a sink gets one of the two at least
        record = self._record(name)
        previous = record.object_facts
        record.object_facts = node_facts(new, self._clock) if new else None
        record.traits = traits_of(new) if new else None
        record.allocatable = allocatable_of(new) if new else {}
        self._note_flaw(record, new)
        self._report_images(record, previous, tuple(new.status.images) if new else ())
        self._touch(name, record)
        self._drop_if_empty(name)

    def pod_changed(self, old: wire.Pod | None, new: wire.Pod | None) -> None:
        """Keep the pod under its node; of an unbound one, whom it repels where it is nominated. Of `old` only the name
        is asked for.

        It is read before anything changes: what cannot be read leaves the pod as it was, to be taken away later.
        """
        key = (new or old).metadata.key  # type: ignore[union-attr] # one of the two at least
        was = self._bound.get(key)
        pod = bound_pod(new, self._clock, was) if new is not None and new.spec.node_name else None
        self._note_repulsions(key if pod is None else pod.key, new)
        self._bound.pop(key, None)
        self._note_installer(was, pod)
        if was is not None and (pod is None or pod.node != was.node):
            self._take_pod(was)
        if new is None or pod is None:
            return
        record = self._record(pod.node)
        self._bound[pod.key] = record.pods[pod.key] = pod
        self._touch(pod.node, record)
        if was is None:
            for observer in self._observers:
                observer(new)

    def sandbox_failure_changed(self, old: wire.Event | None, new: wire.Event | None) -> None:
        self._event_changed(old, new, lambda record: record.sandbox_failures)

    def containerd_start_changed(self, old: wire.Event | None, new: wire.Event | None) -> None:
        self._event_changed(old, new, lambda record: record.containerd_starts)

    def _event_changed(
        self, old: wire.Event | None, new: wire.Event | None, seen_on: Callable[[NodeRecord], dict[str, Sighting]]
    ) -> None:
        if old is not None and (record := self._records.get(_node_of(old))) is not None:
            seen_on(record).pop(old.metadata.key, None)
            self._touch(_node_of(old), record)
            self._drop_if_empty(_node_of(old))
        if new is None or not (name := _node_of(new)):
            return
        if (last := self._clock.instant(new.last_seen)) is not None:
            record, first = self._record(name), self._clock.instant(new.first_seen)
            about = new.involved_object.uid or new.involved_object.name
            seen_on(record)[new.metadata.key] = Sighting(about, last if first is None else first, last)
            self._touch(name, record)

    def _record(self, name: str) -> NodeRecord:
        record = self._records.get(name)
        if record is None:
            record = self._records[name] = NodeRecord()
        return record

    def _take_pod(self, pod: BoundPod) -> None:
        record = self._records[pod.node]
        del record.pods[pod.key]
        self._touch(pod.node, record)
        self._drop_if_empty(pod.node)

    def _is_trusted(self, installer: BoundPod) -> bool:
        """No tenant's pod tells of a node's runtime: it would keep others from the node."""
        return not self._tenancy.is_tenants(installer.identity.namespace)

    def _note_installer(self, was: BoundPod | None, now: BoundPod | None) -> None:
        if was is not None and was.installer is not None:
            keys = self._installers[was.identity.namespace]
            del keys[was.key]
            if not keys:
                del self._installers[was.identity.namespace]
        if now is not None and now.installer is not None:
            self._installers.setdefault(now.identity.namespace, {})[now.key] = now.node

    def _namespace_changed(self, namespace: str) -> None:
        for node in set(self._installers.get(namespace, {}).values()):
            self._touch(node, self._records[node])

    def _note_repulsions(self, key: str, pod: wire.Pod | None) -> None:
        node = ""
        if pod is not None and repels(pod) and not is_finished(pod):
            node = pod.spec.node_name or pod.status.nominated_node_name
        self._repulsions.put(key, sys.intern(node), repulsions_of(pod) if pod is not None and node else ())

    def _report_images(self, record: NodeRecord, previous: NodeFacts | None, images: tuple[NodeImage, ...]) -> None:
        """Count what is new before what is gone, so that a size which others report is never gone in between."""
        architecture = record.object_facts.architecture if record.object_facts else ""
        was = previous.architecture if previous else ""
        if (architecture, images) == (was, record.images):
            return
        before, after = set(record.images), set(images)
        if before and architecture == was:
            before, after = before - after, after - before
        self._sizes.add(architecture, after)
        self._sizes.remove(was, before)
        record.images = images

    def _note_flaw(self, record: NodeRecord, node: wire.Node | None) -> None:
        """Log and count a node whose report cannot be believed, when it begins to be so, not at each heartbeat."""
        flaw = flaw_of(node) if node else ""
        if node is not None and flaw and flaw != record.flaw:
            metrics.BAD_OBJECTS.labels("nodes").inc()
            log.warning("node %s: %s; taken as unknown", node.metadata.name, flaw)
        record.flaw = flaw

    def _touch(self, name: str, record: NodeRecord) -> None:
        record.touch()
        for node_observer in self._node_observers:
            node_observer(name)
        for observer in self._change_observers:
            observer()

    def _drop_if_empty(self, name: str) -> None:
        if self._records[name].is_empty:
            del self._records[name]


def _node_of(event: wire.Event) -> str:
    """The node an event tells of; empty where it names none."""
    subject = event.involved_object
    return event.source.host or (subject.name if subject.kind == "Node" else "")
