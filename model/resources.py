"""What a pod asks of a node in resources: amounts by name, milli-CPUs for `cpu`, bytes or pieces for all others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from model.quantities import amount

Amounts = tuple[tuple[str, int], ...]
"""Positive amounts by resource, sorted by name: hashable, so that pods of equal demand are one group."""


@dataclass(frozen=True, slots=True)
class ContainerRequests:
    """The requests of one container; a sidecar is an init container that restarts always."""

    requests: Mapping[str, str]
    is_init: bool = False
    is_sidecar: bool = False


def pod_amounts(
    containers: Sequence[ContainerRequests],
    overhead: Mapping[str, str] | None = None,
    pod_level: Mapping[str, str] | None = None,
) -> Amounts:
    """What the scheduler counts for a pod (PodRequests of k8s.io/component-helpers); raises InvalidInput.

    For each resource the larger of what runs together in the end (containers and sidecars) and what the init
    containers need at their worst (each beside the sidecars started before it); requests of the pod as a whole replace
    that; the overhead of its runtime class is added, and one of `pods`.
    """
    running: dict[str, int] = {}
    sidecars: dict[str, int] = {}
    peak: dict[str, int] = {}
    for container in containers:
        wanted = {name: amount(name, text) for name, text in container.requests.items()}
        if not container.is_init:
            _add(running, wanted)
        elif container.is_sidecar:
            _add(sidecars, wanted)
            _raise_to(peak, sidecars)
        else:
            _raise_to(peak, _sum(wanted, sidecars))
    total = _sum(running, sidecars)
    _raise_to(total, peak)
    total.update((name, amount(name, text)) for name, text in (pod_level or {}).items())
    _add(total, {name: amount(name, text) for name, text in (overhead or {}).items()})
    total["pods"] = 1
    return tuple(sorted((name, value) for name, value in total.items() if value))


def lacking(wanted: Amounts, free: Mapping[str, int]) -> str:
    """The first resource that is not free in the amount wanted; empty where everything fits."""
    for name, value in wanted:
        if free.get(name, 0) < value:
            return name
    return ""


def reduced(free: Mapping[str, int], taken: Amounts) -> dict[str, int]:
    """What stays free after a pod took its amounts; below zero where the node is overcommitted already."""
    left = dict(free)
    for name, value in taken:
        left[name] = left.get(name, 0) - value
    return left


def room(allocatable: Mapping[str, int], pods: Iterable[Amounts]) -> dict[str, int]:
    """What of a node is free beside its pods."""
    left = dict(allocatable)
    for taken in pods:
        for name, value in taken:
            left[name] = left.get(name, 0) - value
    return left


def _add(total: dict[str, int], more: Mapping[str, int]) -> None:
    for name, value in more.items():
        total[name] = total.get(name, 0) + value


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    total = dict(one)
    _add(total, other)
    return total


def _raise_to(total: dict[str, int], least: Mapping[str, int]) -> None:
    for name, value in least.items():
        total[name] = max(total.get(name, 0), value)
