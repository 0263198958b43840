"""The forecasts of one pod for all nodes at once: the sum that `model.forecast` makes, as columns.

What a forecast takes from the pod is its needs and its profile, so pods of a kind share their columns. The terms are
added in the order of `model.forecast.TERM_NAMES`: the sums are the same to the last bit.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from extender.columns import Floats, Rows
from extender.preparation import Preparation
from extender.pulls import Groups, Pulls
from extender.roster import Roster
from model.nodes import NodeFacts
from model.pods import PodNeeds
from model.profiles import ProfileSpec, TenantProfile
from model.score import STEPS_SECONDS
from model.terms import ImageSizes, application_term, init_term, ready_term, sandbox_term

KINDS_REMEMBERED: Final = 128
"""Kinds of pods whose columns are kept; each takes 16 bytes for each node."""

PREPARATIONS_REMEMBERED: Final = 32
"""Pairs of profile and handler; each takes 105 bytes for each node."""

FAR_BEHIND: Final = 200
"""Nodes that changed since somebody asked about a kind of pods: so many, a request takes in by itself, in a tenth of a
millisecond or two."""

_STEPS: Final = np.array([*STEPS_SECONDS, np.finfo(np.float64).max])
"""Beyond the last is only what never can start: it has a score one below the worst."""


class Outlook:
    """The columns of one kind of pods."""

    def __init__(
        self, roster: Roster, needs: PodNeeds, profile: ProfileSpec, preparation: Preparation, pulls: Pulls
    ) -> None:
        self.needs = needs
        self.profile = profile
        self.preparation = preparation
        self.pulls = pulls
        self._roster = roster
        self._sandbox = sandbox_term(needs, profile).seconds
        self._init = init_term(needs, profile).seconds
        self._ready = ready_term(profile).seconds
        self._contention_milliseconds = profile.startup.contention_milliseconds_per_start
        self._application: Floats = np.zeros(0)
        self._numbered = roster.architectures
        self._alone_as_of: tuple[int, tuple[int, int]] | None = None
        self._alone: Floats = np.zeros(0)

    def seconds(self, rows: Rows, shares: Floats, now: float) -> Floats:
        """The forecast for each of these rows, `inf` where the pod can never start; `shares` are expected by row.

        Every pod that is scored changes what is expected of many nodes, and few change what else there is.
        """
        alone = self._without_others(now)
        return alone[rows] + (self._roster.starting[rows] + shares[rows]) * self._contention_milliseconds / 1000

    def _without_others(self, now: float) -> Floats:
        """By row the terms before contention, which is the last. Those of the application are a matter of the node's
        architecture, and where that changes the pulls do.
        """
        preparation, pulls = self.preparation.at(now), self.pulls.catch_up()
        as_of = self.preparation.revision, pulls
        if as_of != self._alone_as_of:
            alone = preparation + self._sandbox
            alone += self._init
            alone += self.pulls.column()
            alone += self._applications()[self._roster.architecture]
            alone += self._ready
            self._alone, self._alone_as_of = alone, as_of
        return self._alone

    def _applications(self) -> Floats:
        """The application term by the number of the architecture."""
        architectures = self._roster.architectures
        if self._numbered is not architectures or len(self._application) != len(architectures):
            nodes = (NodeFacts("", architecture) for architecture in architectures)
            self._numbered = architectures
            self._application = np.array([application_term(node, self.profile).seconds for node in nodes])
        return self._application


class Outlooks:
    """The columns of the kinds of pods that were asked about last."""

    def __init__(self, roster: Roster, sizes: ImageSizes) -> None:
        self._roster = roster
        self._sizes = sizes
        self._outlooks: LRUCache[tuple[str, PodNeeds], Outlook] = LRUCache(KINDS_REMEMBERED)
        self._groups: LRUCache[PodNeeds, Groups] = LRUCache(KINDS_REMEMBERED)
        self._preparations: LRUCache[tuple[str, str], tuple[ProfileSpec, Preparation]] = LRUCache(
            PREPARATIONS_REMEMBERED
        )

    def of(self, needs: PodNeeds, profile: TenantProfile) -> Outlook:
        key = profile.name, needs
        outlook = self._outlooks.get(key)
        if outlook is None or outlook.profile is not profile.spec:
            pulls = Pulls(self._groups_for(needs), needs, profile.spec)
            preparation = self.preparation(needs.handler, profile)
            outlook = Outlook(self._roster, needs, profile.spec, preparation, pulls)
            self._outlooks[key] = outlook
        return outlook

    def _groups_for(self, needs: PodNeeds) -> Groups:
        groups = self._groups.get(needs)
        if groups is None:
            groups = self._groups[needs] = Groups(self._roster, self._sizes, needs)
        return groups

    def preparation(self, handler: str, profile: TenantProfile) -> Preparation:
        key = profile.name, handler
        spec, preparation = self._preparations.get(key, (None, None))
        if preparation is None or spec is not profile.spec:
            preparation = Preparation(self._roster, handler, profile.spec)
            self._preparations[key] = profile.spec, preparation
        return preparation

    def catch_up(self, now: float) -> bool:
        """Bring up to date what pods of several kinds share, and the kind that is the furthest behind, if it is far.

        False where others are far behind too.
        """
        for _, preparation in self._preparations.values():
            preparation.catch_up(now)
        far_behind = [groups for groups in self._groups.values() if groups.behind > FAR_BEHIND]
        if far_behind:
            max(far_behind, key=lambda groups: groups.behind).catch_up()
        return len(far_behind) <= 1


def steps_below_best(seconds: Floats, unknown: Rows, unknown_steps: int) -> NDArray[np.intp]:
    """How many points below the best score each of these forecasts is; nodes nobody knows get `unknown_steps`."""
    if not seconds.size:
        return np.zeros(0, np.intp)
    best = seconds.min()
    steps = np.searchsorted(_STEPS, seconds - best if best < np.inf else seconds, side="left")
    steps[unknown] = unknown_steps
    return steps
