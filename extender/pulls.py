"""The seconds that the images of one pod's needs take on each node: the pull term, by row.

Few nodes are different to the pulls of one pod. So rows are put into groups first, whatever the profile, and the term
is worked out for a group: after a change of the profile that is a handful of terms for thousands of nodes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from extender.columns import Floats, Rows
from extender.roster import Roster
from model.nodes import NodeFacts
from model.pods import PodNeeds
from model.profiles import ProfileSpec
from model.terms import ImageSizes, pull_term

NO_GROUP: Final = 0
"""The group of rows that are no node's."""

SPARE_GROUPS: Final = 64
"""Groups that nodes have left stay until there are so many more than twice those that were needed at first."""

_Reported = dict[str, list[int | None]]
"""By architecture the sizes of a pod's images, in their order."""


@dataclass(frozen=True, slots=True)
class Group:
    """What the pull term reads of some nodes, which are all the same to it.

    The sizes are those by which nodes came into the group. What others pull may have another size by the time somebody
    works the term out; nodes with that size are another group's, and these may come back.
    """

    node: NodeFacts
    sizes: Mapping[str, int | None]

    def bytes_of(self, image: str, architecture: str) -> int | None:  # noqa: ARG002 - a group has but one
        return self.sizes[image]


class Groups:
    """The rows by how they look to the pull term of one pod's needs. They change with facts and sizes only."""

    def __init__(self, roster: Roster, sizes: ImageSizes, needs: PodNeeds) -> None:
        self.evaluated = 0
        """How often a row was put into its group."""

        self.epoch = 0
        """Counts how often groups were given new numbers."""

        self.revision = 0
        """Changes whenever `of_row` or `groups` do."""

        self._roster = roster
        self._sizes = sizes
        self._images = needs.images
        self._needed = frozenset(needs.images)
        self._read = -1
        self._most = SPARE_GROUPS
        self._start_over(self._report())

    @property
    def behind(self) -> int:
        """How many changes are not taken in."""
        return self._roster.pull_changes.end - self._read

    def catch_up(self) -> None:
        """Take in what has changed."""
        roster, reported = self._roster, self._report()
        if reported != self._reported or len(self.of_row) != roster.capacity or len(self.groups) > self._most:
            self._start_over(reported)
        changed = roster.pull_changes.since(self._read)
        self._read = roster.pull_changes.end
        rows = roster.known() if changed is None else changed
        for row in rows:
            node = roster.facts[row]
            if node is not None:
                self.evaluated += 1
                self.of_row[row] = self._group_of(node)
        self.revision += bool(rows)
        if changed is None:
            self._most = 2 * len(self.groups) + SPARE_GROUPS

    def _start_over(self, reported: _Reported) -> None:
        self._reported = reported
        self._sorted = {
            architecture: sorted(size for size in sizes if size is not None) for architecture, sizes in reported.items()
        }
        self._read = -1
        self._most = SPARE_GROUPS
        self._numbers: dict[tuple[object, ...], int] = {}
        self.groups = [Group(NodeFacts(""), {})]

        self.of_row: Rows = np.full(self._roster.capacity, NO_GROUP, np.intp)
        self.epoch += 1

    def _report(self) -> _Reported:
        sizes, images = self._sizes, self._images
        return {
            architecture: [sizes.bytes_of(image, architecture) for image in images]
            for architecture in self._roster.architectures
        }

    def _group_of(self, node: NodeFacts) -> int:
        """Of a report that is cut off, the term reads no more than which of our images' sizes exceed its smallest."""
        architecture, smallest = node.architecture, node.smallest_reported_bytes
        rank = None if smallest is None else bisect_right(self._sorted[architecture], smallest)
        there = self._needed & node.images
        pulled = frozenset([(image, self._sizes.bytes_of(image, architecture)) for image in node.pulling])
        key = architecture, rank, node.images_reported, pulled, there
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self.groups)
            self.groups.append(self._group(node, there, dict(pulled)))
        return number

    def _group(self, node: NodeFacts, there: frozenset[str], pulled: dict[str, int | None]) -> Group:
        seen = NodeFacts(
            "",
            node.architecture,
            images=there,
            smallest_reported_bytes=node.smallest_reported_bytes,
            images_reported=node.images_reported,
            pulling=node.pulling,
        )
        needed = zip(self._images, self._reported[node.architecture], strict=True)
        return Group(seen, {**pulled, **dict(needed)})


class Pulls:
    """The column for one pod's needs and one profile."""

    def __init__(self, groups: Groups, needs: PodNeeds, profile: ProfileSpec) -> None:
        self._groups = groups
        self._needs = needs
        self._profile = profile
        self._epoch = -1
        self._by_group: list[float] = []

    @property
    def evaluated(self) -> int:
        """How often a row was looked at."""
        return self._groups.evaluated

    def catch_up(self) -> tuple[int, int]:
        """Take in what has changed; what is returned is another whenever the column is."""
        self._groups.catch_up()
        return self._groups.epoch, self._groups.revision

    def column(self) -> Floats:
        """As of the last `catch_up`."""
        groups = self._groups
        if groups.epoch != self._epoch:
            self._epoch, self._by_group = groups.epoch, [0.0]
        for group in groups.groups[len(self._by_group) :]:
            self._by_group.append(pull_term(self._needs, group.node, self._profile, group).seconds)
        column: Floats = np.array(self._by_group)[groups.of_row]
        return column
