"""What is known of one node from its sources, and how they are joined into its facts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

import msgspec

from cluster.bound import BoundPod
from cluster.images import NodeImage
from cluster.translation import names_of
from model.nodes import NodeFacts
from model.requirements import NodeTraits
from model.resources import room

_InUse = tuple[tuple[str, ...], ...]
"""The images of some pods."""

_NOTHING: Final[Mapping[str, int]] = MappingProxyType({})


class Sighting(msgspec.Struct, frozen=True, gc=False):
    """What an event tells: of which object, since when, and when last."""

    about: str
    first: float
    last: float


class NodeRecord:
    """A node as its sources tell it; they are joined when somebody asks after a change.

    The sources come in any order: pods and events may be known before their node. Events stand by their key. What the
    node reports of its images is kept as the entries, which nodes share; the set of their names, which takes ten times
    the room, is made with the facts.
    """

    __slots__ = (
        *("allocatable", "containerd_starts", "free", "images", "joined", "named"),
        *("flaw", "object_facts", "pods", "sandbox_failures", "traits"),
    )

    def __init__(self) -> None:
        self.object_facts: NodeFacts | None = None
        """From the Node object, without its images; None while there is no Node of the name."""

        self.images: tuple[NodeImage, ...] = ()
        self.traits: NodeTraits | None = None
        self.allocatable: Mapping[str, int] = _NOTHING
        self.flaw = ""
        self.pods: dict[str, BoundPod] = {}
        self.sandbox_failures: dict[str, Sighting] = {}
        self.containerd_starts: dict[str, Sighting] = {}
        self.free: dict[str, int] | None = None
        self.joined: NodeFacts | None = None
        self.named: tuple[tuple[NodeImage, ...], _InUse, frozenset[str]] | None = None
        """The names that were made last, and of what."""

    @property
    def is_empty(self) -> bool:
        return self.object_facts is None and not (self.pods or self.sandbox_failures or self.containerd_starts)

    def touch(self) -> None:
        """Something has changed: what was made of it is out of date."""
        self.joined = self.free = None

    def free_now(self) -> dict[str, int]:
        if self.free is None:
            self.free = room(self.allocatable, [pod.amounts for pod in self.pods.values()])
        return self.free

    def facts(self, is_trusted: Callable[[BoundPod], bool]) -> NodeFacts | None:
        """`is_trusted` says of a pod that claims to be an installer whether to believe it."""
        if self.joined is None and self.object_facts is not None:
            self.joined = self._join(self.object_facts, is_trusted)
        return self.joined

    def _join(self, facts: NodeFacts, is_trusted: Callable[[BoundPod], bool]) -> NodeFacts:
        alive = [pod for pod in self.pods.values() if not pod.is_finished]
        is_listed_whole = facts.images_reported and facts.smallest_reported_bytes is None
        # What finished pods used is likely there still; where the node lists all that it has, the list knows better.
        witnesses = alive if is_listed_whole else self.pods.values()
        images = self._names(tuple([pod.images_in_use for pod in witnesses if pod.images_in_use]))
        starting = [pod for pod in alive if pod.is_starting]
        wanted = {image for pod in starting for image in pod.wanted_images}
        failures = [item for item in self.sandbox_failures.values() if item.last >= facts.created]
        failed = max(failures, key=lambda item: item.last, default=None)
        installers = [pod.installer for pod in alive if pod.installer is not None and is_trusted(pod)]
        return replace(
            facts,
            images=images,
            starting=float(len(starting)),
            pulling=frozenset(wanted - images),
            installer=max(installers, key=lambda item: item.created, default=None),
            sandbox_failed=failed.last if failed else None,
            sandbox_failing_since=min(item.first for item in failures if item.about == failed.about)
            if failed
            else None,
            containerd_restarted=_last_since(
                facts.created, [item.last for item in self.containerd_starts.values()], facts.containerd_restarted
            ),
        )

    def _names(self, in_use: _InUse) -> frozenset[str]:
        """The same set as the last time, unless it has become another: most of what happens to pods changes no image,
        and a node has a hundred names."""
        if self.named is None or self.named[:2] != (self.images, in_use):
            self.named = self.images, in_use, names_of(self.images, *in_use)
        return self.named[2]


def _last_since(created: float, instants: Iterable[float], other: float | None) -> float | None:
    """The last of the instants; those before the node's creation tell of a former node of its name."""
    return max((instant for instant in (*instants, other) if instant is not None and instant >= created), default=None)
