"""The seconds that the images of one pod's needs take on each node: the pull term, by row."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np

from extender.roster import Floats, Roster
from model.nodes import NodeFacts
from model.pods import PodNeeds
from model.profiles import ProfileSpec
from model.terms import ImageSizes, pull_term

_Reported = dict[str, list[int | None]]
"""By architecture the sizes of a pod's images, in their order."""


class Pulls:
    """The column for one pod's needs and one profile. It changes with facts and sizes, never with the clock."""

    def __init__(self, roster: Roster, sizes: ImageSizes, needs: PodNeeds, profile: ProfileSpec) -> None:
        self.evaluated = 0
        """How often a row was worked out."""
        self._roster = roster
        self._sizes = sizes
        self._needs = needs
        self._profile = profile
        self._images = frozenset(needs.images)
        self._read = -1
        self._start_over({})

    def up_to_date(self) -> Floats:
        """The column; it is valid until the next call."""
        roster = self._roster
        reported = self._report()
        if reported != self._reported or len(self._seconds) != roster.capacity:
            self._start_over(reported)
        changed = roster.pull_changes.since(self._read)
        self._read = roster.pull_changes.end
        alike: dict[tuple[object, ...], float] = {}
        for row in roster.known() if changed is None else changed:
            node = roster.facts[row]
            if node is not None:
                self.evaluated += 1
                self._seconds[row] = self._on(node, alike)
        return self._seconds

    def _start_over(self, reported: _Reported) -> None:
        self._reported = reported
        self._sorted = {
            architecture: sorted(size for size in sizes if size is not None) for architecture, sizes in reported.items()
        }
        self._read = -1
        self._seconds: Floats = np.zeros(self._roster.capacity)

    def _report(self) -> _Reported:
        sizes, images = self._sizes, self._needs.images
        return {
            architecture: [sizes.bytes_of(image, architecture) for image in images]
            for architecture in self._roster.architectures
        }

    def _on(self, node: NodeFacts, alike: dict[tuple[object, ...], float]) -> float:
        """The pull term, worked out once for nodes that look the same to it.

        Of a report that is cut off, it reads no more than which of our images' sizes exceed the smallest reported.
        """
        if self._images <= node.images and not self._profile.peer_pods.enabled:
            return 0.0
        architecture, smallest = node.architecture, node.smallest_reported_bytes
        rank = None if smallest is None else bisect_right(self._sorted[architecture], smallest)
        key = architecture, rank, node.images_reported, node.pulling, self._images - node.images
        seconds = alike.get(key)
        if seconds is None:
            seconds = alike[key] = pull_term(self._needs, node, self._profile, self._sizes).seconds
        return seconds
