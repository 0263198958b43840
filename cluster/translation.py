"""From the API's objects to the model's values: which field means what. Pure functions."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Final

from cluster import wire
from cluster.clock import Clock
from model import names
from model.images import canonical_image
from model.nodes import REPORTED_IMAGES_LIMIT, NodeFacts, RuntimeInstaller
from model.pods import PodNeeds, needs

LARGEST_IMAGE_BYTES: Final = 10**15
"""A size beyond a petabyte, or a negative one, is a mistake of the reporter's and taken as unknown."""

_FINISHED: Final = frozenset({"Succeeded", "Failed"})


def condition(conditions: Iterable[wire.Condition], kind: str) -> wire.Condition | None:
    return next((item for item in conditions if item.type == kind), None)


def is_true(conditions: Iterable[wire.Condition], kind: str) -> bool | None:
    """The status of a condition; None where it is absent or Unknown."""
    found = condition(conditions, kind)
    return {"True": True, "False": False}.get(found.status) if found else None


def node_facts(node: wire.Node, clock: Clock) -> NodeFacts:
    """What the Node object alone tells; pods and events add to it in the snapshot."""
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
        handlers=frozenset(sys.intern(item.name) for item in handlers) if handlers else None,
        kata_label=labels.get(names.KATA_LABEL),
        kata_labelled=_kata_labelled(metadata, clock),
        containerd_restarted=clock.instant(metadata.annotations.get(names.RUNTIME_RESTARTED_ANNOTATION)),
        images=frozenset(name for item in status.images for name in image_names(item)),
        smallest_reported_bytes=_smallest_bytes(status.images) if is_cut_off else None,
        images_reported=bool(status.images),
    )


def image_names(image: wire.NodeImage) -> Iterable[str]:
    """Canonical names of a reported image; `<none>` stands for what has lost its name."""
    return (sys.intern(canonical_image(name)) for name in image.names or () if "<none>" not in name)


def sized_images(node: wire.Node) -> Iterable[tuple[str, int]]:
    """Each name that the node reports, with its size where that is believable."""
    for item in node.status.images:
        if _is_believable(item):
            for name in image_names(item):
                yield name, item.size_bytes


def flaw_of(node: wire.Node) -> str:
    """What of a node's report cannot be believed; empty where nothing stands out."""
    if not node.status.conditions and not node.status.node_info.architecture:
        return "it has no status"
    if any(not 0 <= item.size_bytes <= LARGEST_IMAGE_BYTES for item in node.status.images):
        return "it reports images of impossible sizes"
    return ""


def pod_needs(pod: wire.Pod, handler_of: Callable[[str | None], str]) -> PodNeeds:
    """The pod's demand. A kubelet mounts image volumes first, then starts init containers, then the others."""
    spec = pod.spec
    references = [volume.image.reference for volume in spec.volumes if volume.image and volume.image.reference]
    references += [container.image for container in (*spec.init_containers, *spec.containers) if container.image]
    images = tuple(sys.intern(canonical_image(reference)) for reference in references)
    return needs(handler_of(spec.runtime_class_name), images, has_init_containers=bool(spec.init_containers))


def images_in_use(pod: wire.Pod) -> Iterable[str]:
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


def _readiness(conditions: Iterable[wire.Condition]) -> bool | None:
    """A node whose kubelet is not heard of any more (status Unknown) is not ready; one without the condition may be."""
    found = condition(conditions, "Ready")
    return found.status == "True" if found else None


def _is_believable(image: wire.NodeImage) -> bool:
    return 0 < image.size_bytes <= LARGEST_IMAGE_BYTES


def _smallest_bytes(images: Iterable[wire.NodeImage]) -> int:
    """Where no size can be believed, any image may be among those that were cut off."""
    return min((image.size_bytes for image in images if _is_believable(image)), default=LARGEST_IMAGE_BYTES)


def _kata_labelled(metadata: wire.Metadata, clock: Clock) -> float | None:
    times = [clock.instant(entry.time) for entry in metadata.managed_fields if entry.owns_kata_label]
    return max((instant for instant in times if instant is not None), default=None)
