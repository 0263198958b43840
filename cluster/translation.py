"""From the API's objects to the model's values: which field means what. Pure functions."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final

from cluster import wire
from cluster.clock import Clock
from cluster.images import LARGEST_IMAGE_BYTES, NodeImage
from model import names
from model.images import canonical_image
from model.nodes import REPORTED_IMAGES_LIMIT, NodeFacts, RuntimeInstaller
from model.pods import PodNeeds, needs

HANDLERS_REMEMBERED: Final = 64
"""Different lists of runtime handlers that nodes share: as many as there are kinds of nodes."""

_STATUSES: Final = {"True": True, "False": False}
_FINISHED: Final = frozenset({"Succeeded", "Failed"})


def condition(conditions: Iterable[wire.Condition], kind: str) -> wire.Condition | None:
    for item in conditions:
        if item.type == kind:
            return item
    return None


def is_true(conditions: Iterable[wire.Condition], kind: str) -> bool | None:
    """The status of a condition; None where it is absent or Unknown."""
    found = condition(conditions, kind)
    return _STATUSES.get(found.status) if found else None


def node_facts(node: wire.Node, clock: Clock) -> NodeFacts:
    """What the Node object alone tells but for its images (`names_of`); pods and events add to it in the snapshot."""
    metadata, status = node.metadata, node.status
    labels = metadata.labels
    handlers = status.runtime_handlers
    is_cut_off = len(status.images) >= REPORTED_IMAGES_LIMIT
    return NodeFacts(
        name=metadata.name,
        architecture=sys.intern(status.node_info.architecture or labels.get(names.ARCHITECTURE_LABEL, "")),
        created=clock.instant(metadata.creation_timestamp) or 0.0,
        ready=_readiness(status.conditions),
        schedulable=not node.spec.unschedulable,
        handlers=_handlers(tuple([item.name for item in handlers])) if handlers else None,
        kata_label=labels.get(names.KATA_LABEL),
        kata_labelled=_kata_labelled(metadata, clock),
        containerd_restarted=clock.instant(metadata.annotations.get(names.RUNTIME_RESTARTED_ANNOTATION)),
        smallest_reported_bytes=_smallest_bytes(status.images) if is_cut_off else None,
        images_reported=bool(status.images),
    )


def outline_of_node(node: wire.Node) -> wire.Node:
    """What is kept beside the facts: enough to know whether the node changed."""
    return wire.Node(metadata=node.metadata.outline(), spec=_NO_SPEC, status=_NO_STATUS)


_NO_SPEC: Final = wire.NodeSpec()
_NO_STATUS: Final = wire.NodeStatus()


def names_of(images: Iterable[NodeImage], *others: Iterable[str]) -> frozenset[str]:
    """The names of reported images, and other names. Copied from a set, which takes half the room of one that grew."""
    return frozenset(set().union(*[image.names for image in images], *others))


def flaw_of(node: wire.Node) -> str:
    """What of a node's report cannot be believed; empty where nothing stands out."""
    if not node.status.conditions and not node.status.node_info.architecture:
        return "it has no status"
    if any(image.is_impossible for image in node.status.images if not image.believed_bytes):
        return "it reports images of impossible sizes"
    return ""


def pod_needs(pod: wire.Pod, handler_of: Callable[[str | None], str]) -> PodNeeds:
    """The pod's demand. A kubelet mounts image volumes first, then starts init containers, then the others."""
    spec = pod.spec
    images = wanted_images(pod)
    return needs(handler_of(spec.runtime_class_name), images, has_init_containers=bool(spec.init_containers))


def wanted_images(pod: wire.Pod) -> tuple[str, ...]:
    """The canonical names of what the pod needs pulled, in that order, with repeats."""
    spec = pod.spec
    references = [volume.image.reference for volume in spec.volumes if volume.image and volume.image.reference]
    references += [container.image for container in (*spec.init_containers, *spec.containers) if container.image]
    return tuple([sys.intern(canonical_image(reference)) for reference in references])


def images_in_use(pod: wire.Pod) -> Iterator[str]:
    """Images of the containers that run or ran in a pod: one that runs proves their presence on its node."""
    statuses = {item.name: item for item in (*pod.status.init_container_statuses, *pod.status.container_statuses)}
    for container in (*pod.spec.init_containers, *pod.spec.containers):
        status = statuses.get(container.name)
        if status is None or not (status.state.running or status.state.terminated):
            continue
        yield sys.intern(canonical_image(container.image))
        if "@" in status.image_id:
            yield sys.intern(canonical_image(status.image_id.removeprefix("docker-pullable://")))


def is_finished(pod: wire.Pod) -> bool:
    return pod.status.phase in _FINISHED


def is_starting(pod: wire.Pod) -> bool:
    """Bound, and on its way to its first readiness: not finished, not going, not failing and backing off."""
    return (
        bool(pod.spec.node_name)
        and not is_finished(pod)
        and pod.metadata.deletion_timestamp is None
        and is_true(pod.status.conditions, "Ready") is not True
        and not any(_is_failing(item) for item in (*pod.status.container_statuses, *pod.status.init_container_statuses))
    )


def _is_failing(status: wire.ContainerStatus) -> bool:
    """Restarted, or waiting in a back-off (CrashLoopBackOff, ImagePullBackOff): it may never start."""
    waiting = status.state.waiting
    return status.restart_count > 0 or (waiting is not None and waiting.reason.endswith("BackOff"))


def is_installer(pod: wire.Pod) -> bool:
    """Whether this is kata-deploy's pod: its DaemonSet's manifest and chart label it `name: kata-deploy`."""
    if pod.metadata.labels.get("name") == names.KATA_DEPLOY:
        return True
    return any(owner.kind == "DaemonSet" and owner.name == names.KATA_DEPLOY for owner in pod.metadata.owner_references)


def installer(pod: wire.Pod, clock: Clock) -> RuntimeInstaller:
    statuses = pod.status.container_statuses
    starts = [clock.instant(item.state.running.started_at) for item in statuses if item.state.running]
    return RuntimeInstaller(
        created=clock.instant(pod.metadata.creation_timestamp) or 0.0,
        started=max((instant for instant in starts if instant is not None), default=None),
        ready=is_true(pod.status.conditions, "Ready") is True,
        restarts=max((item.restart_count for item in statuses), default=0),
    )


@lru_cache(HANDLERS_REMEMBERED)
def _handlers(handlers: tuple[str, ...]) -> frozenset[str]:
    return frozenset(map(sys.intern, handlers))


def _readiness(conditions: Iterable[wire.Condition]) -> bool | None:
    """A node whose kubelet is not heard of any more (status Unknown) is not ready; one without the condition may be."""
    found = condition(conditions, "Ready")
    return found.status == "True" if found else None


def _smallest_bytes(images: Sequence[NodeImage]) -> int:
    """Where no size can be believed, any image may be among those that were cut off."""
    return min(filter(None, [image.believed_bytes for image in images]), default=LARGEST_IMAGE_BYTES)


def _kata_labelled(metadata: wire.NodeMetadata, clock: Clock) -> float | None:
    times = [clock.instant(entry.time) for entry in metadata.managed_fields if entry.owns_kata_label]
    return max((instant for instant in times if instant is not None), default=None)
