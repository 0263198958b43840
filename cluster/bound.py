"""What is kept of a pod that is bound to a node: a tenth of the object's room, most of it shared with pods like it."""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import Final, TypeVar

import msgspec

from cluster import wire
from cluster.clock import Clock
from cluster.demands import amounts_of, identity_of
from cluster.translation import (
    images_in_use,
    installer,
    is_finished,
    is_installer,
    is_starting,
    wanted_images,
)
from model import names
from model.errors import InvalidInput
from model.nodes import RuntimeInstaller
from model.resources import Amounts
from model.selectors import PodIdentity

T = TypeVar("T")

KINDS_REMEMBERED: Final = 1_024
"""Lists come in the order of names, so pods of a kind come together. What is kept here outlives its pods, so it is few;
later a pod shares with its former self."""

WORDS_REMEMBERED: Final = 4 * KINDS_REMEMBERED


class BoundPod(msgspec.Struct, frozen=True, gc=False):
    """A pod on its node, as forecasts, placement and commands ask about it."""

    key: str
    node: str
    identity: PodIdentity
    profile: str
    """The profile that its annotation names; empty without one."""

    priority: int
    amounts: Amounts
    """What it takes of its node; nothing once it is finished, or where its quantities cannot be read."""

    wanted_images: tuple[str, ...]
    images_in_use: tuple[str, ...]
    is_finished: bool
    is_starting: bool
    is_leaving: bool
    installer: RuntimeInstaller | None
    """Where the pod is kata-deploy's."""


def bound_pod(pod: wire.Pod, clock: Clock, was: BoundPod | None = None) -> BoundPod:
    """`was` is what was kept of the pod before: what is equal to its part is that part."""
    metadata = pod.metadata
    return BoundPod(
        key=metadata.key if was is None else was.key,
        node=sys.intern(pod.spec.node_name),
        identity=_identity_of(pod, was),
        profile=sys.intern(metadata.annotations.get(names.PROFILE_ANNOTATION, "")),
        priority=pod.spec.priority,
        amounts=_kept(_amounts(pod), () if was is None else was.amounts),
        wanted_images=_kept(_shared(wanted_images(pod)), () if was is None else was.wanted_images),
        images_in_use=_kept(_shared(tuple(images_in_use(pod))), () if was is None else was.images_in_use),
        is_finished=is_finished(pod),
        is_starting=is_starting(pod),
        is_leaving=metadata.deletion_timestamp is not None,
        installer=installer(pod, clock) if is_installer(pod) else None,
    )


def outline(pod: wire.Pod) -> wire.Pod:
    """What is kept beside: enough to know whether the pod changed, and which it was. An unbound pod stays whole."""
    if not pod.spec.node_name:
        return pod
    return wire.Pod(metadata=pod.metadata.outline(), spec=_NO_SPEC, status=_NO_STATUS)


_NO_SPEC: Final = wire.PodSpec()
_NO_STATUS: Final = wire.PodStatus()


def _kept(part: T, former: T) -> T:
    return former if former == part else part


@lru_cache(KINDS_REMEMBERED)
def _shared(images: tuple[str, ...]) -> tuple[str, ...]:
    """The first tuple that was equal to this one."""
    return images


@lru_cache(WORDS_REMEMBERED)
def _word(text: str) -> str:
    """The first text equal to this one. Most are of few pods: interned, they would take more than they give."""
    return text


def _identity_of(pod: wire.Pod, was: BoundPod | None) -> PodIdentity:
    """Pods that are not alike share the words at least; a label that repeats the pod's name is that very text."""
    identity, name = identity_of(pod), pod.metadata.name
    if was is not None and was.identity == identity:
        return was.identity
    labels = tuple(
        [(sys.intern(key), name if value == name else _word(value)) for key, value in identity.labels.items()]
    )
    return _identity(sys.intern(identity.namespace), labels, _word(identity.owner))


@lru_cache(KINDS_REMEMBERED)
def _identity(namespace: str, labels: tuple[tuple[str, str], ...], owner: str) -> PodIdentity:
    return PodIdentity(namespace, dict(labels), owner)


def _amounts(pod: wire.Pod) -> Amounts:
    try:
        return () if is_finished(pod) else amounts_of(pod)
    except InvalidInput:
        return ()
