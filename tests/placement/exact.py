"""The exact solver that the assignment is measured by: every way to place few pods is tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import inf

from model.forecast import forecast
from model.resources import lacking, reduced
from placement.inputs import FleetState, GatedPod
from placement.plan import with_start
from tests.placement.fleets import NOW

Cost = tuple[int, float]
"""Pods without a node, and the seconds of the others: fewer without a node is better whatever it costs."""


def least(pods: Sequence[GatedPod], fleet: FleetState) -> Cost:
    """The least cost of placing the pods, in their order, on the nodes of a fleet in which all are warm."""
    return _descend(tuple(pods), fleet, (0, 0.0), (len(pods) + 1, inf))


def _descend(pods: tuple[GatedPod, ...], fleet: FleetState, spent: Cost, best: Cost) -> Cost:
    if spent >= best:
        return best
    if not pods:
        return spent
    pod, rest = pods[0], pods[1:]
    for name, node in fleet.nodes.items():
        if not lacking(pod.requirements.amounts, node.free):
            seconds = forecast(pod.needs, node.facts, pod.profile.spec, fleet.sizes, NOW).seconds
            taken = replace(
                node, facts=with_start(node.facts, pod.needs.images), free=reduced(node.free, pod.requirements.amounts)
            )
            after = replace(fleet, nodes={**fleet.nodes, name: taken})
            best = _descend(rest, after, (spent[0], spent[1] + seconds), best)
    return _descend(rest, fleet, (spent[0] + 1, spent[1]), best)
