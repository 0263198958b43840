"""The omniscient placement: pods on nodes by one who knows every draw of chance and everything that will happen.

What is computed: for every pod a node, so that the mean of the seconds to ready, as the simulation's own physics make
them (contention, queues of pulls, images that another pod's pull brings, stalls), is small, and no node takes more pods
than it has resources for. A pod is bound as it arrives, or as soon as a sandbox works on its node; no control plane
costs it any time. The search starts from the least assignment without interactions (exact, see assignment.py), from the
same with an estimate of contention, and from the placements of the trials themselves, and moves and exchanges single
pods as long as that helps. So it is never worse than what a trial chose, and `least_mean_seconds`, a bound that no
placement can beat, says how far from the least it can be: there pods do not hinder each other, and a missing image is
there as soon as the quickest pull could have brought it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import inf

from lab.scenarios.assignment import assign
from lab.scenarios.laws import Candidate, Laws
from lab.scenarios.machines import Machine
from lab.scenarios.replay import Replay

Places = list[int | None]
EVALUATIONS = 8_000
_EPSILON = 1e-6


@dataclass(frozen=True, slots=True)
class Placement:
    """Nodes and seconds in the order of the pods; no node and infinite seconds where there is no room."""

    nodes: tuple[str | None, ...]
    seconds: tuple[float, ...]
    least_mean_seconds: float
    """No placement has a lower mean over its placed pods."""


class Omniscience:
    """Searches one story's best placement."""

    def __init__(self, laws: Laws, machines: Sequence[Machine], pods: Sequence[Candidate]) -> None:
        self._laws = laws
        self._machines = [machine for machine in machines if machine.slots and machine.installed < inf]
        self._pods = pods
        self._known: dict[tuple[int, frozenset[int]], dict[int, float]] = {}
        self._least = [[0.0] * len(self._machines) for _ in pods]
        for number, machine in enumerate(self._machines):
            column = least_seconds(laws, machine, pods)
            for row, seconds in zip(self._least, column, strict=True):
                row[number] = seconds

    def place(self, hints: Iterable[Sequence[str | None]] = ()) -> Placement:
        """The best placement found. `hints`: nodes by pod, worth starting from; those without room are passed over."""
        slots = [machine.slots for machine in self._machines]
        relaxed = assign(self._least, slots)
        starts = [relaxed, assign(self._least, slots, self._congestion), *self._understood(hints)]
        best = min(starts, key=self._total)
        self._improve(best)
        bound = [self._least[pod][node] for pod, node in enumerate(relaxed) if node is not None]
        seconds = self._seconds(best)
        return Placement(
            nodes=tuple(None if node is None else self._machines[node].name for node in best),
            seconds=tuple(seconds.get(pod, inf) for pod in range(len(best))),
            least_mean_seconds=sum(bound) / len(bound) if bound else 0.0,
        )

    def _understood(self, hints: Iterable[Sequence[str | None]]) -> Iterator[Places]:
        numbers = {machine.name: number for number, machine in enumerate(self._machines)}
        for hint in hints:
            places = [numbers.get(name or "") for name in hint]
            if None not in places and all(
                places.count(number) <= machine.slots for number, machine in enumerate(self._machines)
            ):
                yield places

    def _congestion(self, pods: int) -> float:
        """What the pod that makes them so many adds, if all of them start side by side."""
        contention = self._laws.physics.constants.contention

        def total(count: int) -> float:
            return count * max(0, count - contention.free_starts) * contention.seconds_per_extra_start

        return total(pods) - total(pods - 1)

    def _total(self, places: Places) -> float:
        seconds = self._seconds(places)
        return sum(seconds.get(pod, inf) for pod, node in enumerate(places) if node is not None)

    def _seconds(self, places: Places) -> dict[int, float]:
        found: dict[int, float] = {}
        for node, pods in self._by_node(places).items():
            found.update(self._on(node, frozenset(pods)))
        return found

    def _by_node(self, places: Places) -> dict[int, set[int]]:
        nodes: dict[int, set[int]] = {number: set() for number in range(len(self._machines))}
        for pod, node in enumerate(places):
            if node is not None:
                nodes[node].add(pod)
        return nodes

    def _on(self, node: int, pods: frozenset[int]) -> dict[int, float]:
        """The seconds to ready of these pods, alone on that node."""
        known = self._known.get((node, pods))
        if known is None:
            machine, numbers = self._machines[node], sorted(pods)
            bindings = [(self._pods[pod], machine.accepts_from(self._pods[pod].arrival)) for pod in numbers]
            starts = Replay(self._laws, machine).run(bindings)
            known = {pod: start.ready - self._pods[pod].arrival for pod, start in zip(numbers, starts, strict=True)}
            self._known[node, pods] = known
        return known

    def _improve(self, places: Places) -> None:
        """Move and exchange pods while that helps and evaluations are left; changes `places`."""
        nodes = self._by_node(places)
        began, helped = len(self._known), True
        while helped:
            helped = False
            for pod in sorted(range(len(places)), key=lambda pod: self._excess(pod, places, nodes), reverse=True):
                if len(self._known) - began > EVALUATIONS:
                    return
                helped = self._improve_pod(pod, places, nodes) or helped

    def _excess(self, pod: int, places: Places, nodes: dict[int, set[int]]) -> float:
        node = places[pod]
        return 0.0 if node is None else self._on(node, frozenset(nodes[node]))[pod] - min(self._least[pod])

    def _improve_pod(self, pod: int, places: Places, nodes: dict[int, set[int]]) -> bool:
        here = places[pod]
        if here is None:
            return False
        now = self._on(here, frozenset(nodes[here]))[pod]
        for there in sorted(range(len(self._machines)), key=lambda node: self._least[pod][node]):
            if self._least[pod][there] >= now - _EPSILON:
                return False
            if there != here and self._changed(pod, there, places, nodes):
                return True
        return False

    def _changed(self, pod: int, there: int, places: Places, nodes: dict[int, set[int]]) -> bool:
        here = places[pod]
        if here is None:
            return False
        full = len(nodes[there]) >= self._machines[there].slots
        before = self._sum(here, nodes[here]) + self._sum(there, nodes[there])
        for other in sorted(nodes[there]) if full else (None,):
            moved = {other} if other is not None else set[int]()
            left, joined = nodes[here] - {pod} | moved, nodes[there] - moved | {pod}
            if self._sum(here, left) + self._sum(there, joined) < before - _EPSILON:
                nodes[here], nodes[there], places[pod] = left, joined, there
                if other is not None:
                    places[other] = here
                return True
        return False

    def _sum(self, node: int, pods: set[int]) -> float:
        return sum(self._on(node, frozenset(pods)).values())


def least_seconds(laws: Laws, machine: Machine, pods: Sequence[Candidate]) -> list[float]:
    """What no placement can beat on this machine, by pod: nobody in the way, images brought by the quickest pull."""
    sandboxes = [_least_sandbox(laws, machine, pod) for pod in pods]
    brought: dict[str, float] = {}
    for pod, at in zip(pods, sandboxes, strict=True):
        for container in (pod.init, pod.main):
            work = laws.pull_work(pod, container, machine, present=False)
            end = max(at, machine.stalls_until(at)) + work.fixed_seconds + work.transfer_seconds
            brought[container.image] = min(end, brought.get(container.image, inf))
    brought |= dict.fromkeys(machine.images, -inf)
    found = []
    for pod, sandbox in zip(pods, sandboxes, strict=True):
        at = max(sandbox, brought[pod.init.image]) + laws.init_seconds(pod)
        at = max(at, brought[pod.main.image]) + laws.application_seconds(pod, machine, 0)
        found.append(at + laws.ready_seconds(pod) - pod.arrival)
    return found


def _least_sandbox(laws: Laws, machine: Machine, pod: Candidate) -> float:
    """The moment at which its sandbox can run: at once, or after the stall in which sandboxes are slow."""
    at = machine.accepts_from(pod.arrival)
    settled = max(at, machine.stalls_until(at)) + laws.sandbox_seconds(pod, settling=False)
    return settled if settled <= at else min(settled, at + laws.sandbox_seconds(pod, settling=True))
