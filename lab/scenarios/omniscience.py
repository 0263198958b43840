"""The omniscient placement: pods on nodes by one who knows every draw of chance and everything that will happen.

What is computed: for every pod a node and the moment of its binding, so that the mean of the seconds to ready, as the
simulation's own physics make them (contention, queues of pulls, images that another pod's pull brings, stalls), is
small, and no node takes more pods than it has resources for. Waiting for the binding counts as the lab counts seconds
in the scheduler's queue, in wall seconds; nothing else of a control plane costs any time. The search starts from the
least assignment without interactions (exact, see flow.py), from the same with an estimate of contention, from
pods placed one by one, and from what the trials themselves did, and from each of them moves up to three pods at a time
as long as that helps their sum: one leaves though it gains nothing, if the others gain more. So it is never worse than
a trial, and `least_mean_seconds`, a bound that no placement can beat, says how far from the least it can be: there pods
do not hinder each other, and a missing image is there as soon as the quickest pull could have brought it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import inf

from lab.scenarios.flow import least_cost_nodes
from lab.scenarios.laws import Candidate, Laws
from lab.scenarios.machines import Machine
from lab.scenarios.replay import Replay, Start

Spot = tuple[int, float]
"""A machine's number, and the moment of a binding there."""

Places = list[Spot | None]
Hint = Sequence[tuple[str, float] | None]
"""By pod: where and when a trial bound it."""

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
    """Searches one story's best placement. `speed`: modelled seconds in a wall second of the scheduler's queue."""

    def __init__(self, laws: Laws, machines: Sequence[Machine], pods: Sequence[Candidate], speed: float = 1.0) -> None:
        self._laws = laws
        self._machines = [machine for machine in machines if machine.slots and machine.installed < inf]
        self._pods = pods
        self._speed = speed
        self._known: dict[tuple[int, frozenset[tuple[int, float]]], dict[int, float]] = {}
        columns = [least_seconds(laws, machine, pods, speed) for machine in self._machines]
        self._least = [[column[pod] for column in columns] for pod in range(len(pods))]

    def place(self, hints: Iterable[Hint] = ()) -> Placement:
        """The best placement found, starting from `hints` too; those that overfill a machine are passed over."""
        slots = [machine.slots for machine in self._machines]
        relaxed = least_cost_nodes(self._least, slots)
        congested = least_cost_nodes(self._least, slots, self._congestion)
        forwards = range(len(self._pods))
        placed = map(self._one_by_one, (forwards, reversed(forwards)))
        found = sorted((*map(self._at_once, (relaxed, congested)), *placed, *self._understood(hints)), key=self._total)
        enough = len(self._known) + EVALUATIONS
        for places in found:
            self._improve(places, enough)
        best = min(found, key=self._total)
        bound = [self._least[pod][node] for pod, node in enumerate(relaxed) if node is not None]
        seconds = self._seconds(best)
        return Placement(
            nodes=tuple(None if spot is None else self._machines[spot[0]].name for spot in best),
            seconds=tuple(seconds.get(pod, inf) for pod in range(len(best))),
            least_mean_seconds=sum(bound) / len(bound) if bound else 0.0,
        )

    def _at_once(self, nodes: Sequence[int | None]) -> Places:
        """Bound on these nodes at the best of the moments that come into question."""
        return [None if node is None else (node, self._moments(pod, node)[0]) for pod, node in enumerate(nodes)]

    def _one_by_one(self, order: Iterable[int]) -> Places:
        """Each pod, in that order, where it adds the least beside those before it, to profit from what they pull.

        Among equals where there is most room, for those after it.
        """
        nodes: dict[int, dict[int, float]] = {number: {} for number in range(len(self._machines))}
        places: Places = [None] * len(self._pods)
        for pod in order:
            least = self._least[pod]
            spot, added = None, inf
            for node in sorted(nodes, key=lambda node: (least[node], -self._machines[node].slots)):
                if least[node] >= added - _EPSILON:
                    break
                for moment in self._moments(pod, node) if len(nodes[node]) < self._machines[node].slots else ():
                    more = self._sum({node: {**nodes[node], pod: moment}}) - self._sum({node: nodes[node]})
                    if more < added - _EPSILON:
                        spot, added = (node, moment), more
            if spot is not None:
                nodes[spot[0]][pod] = spot[1]
            places[pod] = spot
        return places

    def _moments(self, pod: int, node: int) -> list[float]:
        """When it may be worth binding the pod: as soon as a sandbox works there, or once the machine has settled."""
        machine = self._machines[node]
        at = machine.accepts_from(self._pods[pod].arrival)
        settled = max(at, machine.stalls_until(at))
        return [at] if settled == at else [at, settled]

    def _understood(self, hints: Iterable[Hint]) -> Iterator[Places]:
        numbers = {machine.name: number for number, machine in enumerate(self._machines)}
        for hint in hints:
            places: Places = []
            for pod, told in enumerate(hint):
                node = numbers.get(told[0]) if told else None
                places.append(None if told is None or node is None else (node, max(told[1], self._pods[pod].arrival)))
            if None not in places and self._fits(places):
                yield places

    def _fits(self, places: Places) -> bool:
        return all(len(pods) <= self._machines[node].slots for node, pods in self._by_node(places).items())

    def _congestion(self, pods: int) -> float:
        """What the pod that makes them so many adds, if all of them start side by side."""
        contention = self._laws.physics.constants.contention

        def total(count: int) -> float:
            return count * max(0, count - contention.free_starts) * contention.seconds_per_extra_start

        return total(pods) - total(pods - 1)

    def _total(self, places: Places) -> float:
        seconds = self._seconds(places)
        return sum(seconds[pod] for pod, spot in enumerate(places) if spot is not None)

    def _seconds(self, places: Places) -> dict[int, float]:
        found: dict[int, float] = {}
        for node, pods in self._by_node(places).items():
            found.update(self._on(node, pods))
        return found

    def _by_node(self, places: Places) -> dict[int, dict[int, float]]:
        """For each node the pods there, with the moments of their bindings."""
        nodes: dict[int, dict[int, float]] = {number: {} for number in range(len(self._machines))}
        for pod, spot in enumerate(places):
            if spot is not None:
                nodes[spot[0]][pod] = spot[1]
        return nodes

    def _on(self, node: int, pods: Mapping[int, float]) -> dict[int, float]:
        """The seconds to ready of these pods, bound at these moments, alone on that node."""
        key = node, frozenset(pods.items())
        known = self._known.get(key)
        if known is None:
            order = sorted(pods)
            starts = Replay(self._laws, self._machines[node]).run([(self._pods[pod], pods[pod]) for pod in order])
            known = {pod: self._counted(pod, pods[pod], start) for pod, start in zip(order, starts, strict=True)}
            self._known[key] = known
        return known

    def _counted(self, pod: int, bound: float, start: Start) -> float:
        return (bound - self._pods[pod].arrival) / self._speed + start.ready - bound

    def _improve(self, places: Places, enough: int) -> None:
        """Move pods while that helps and fewer evaluations than `enough` were made; changes `places`."""
        nodes = self._by_node(places)
        helped = True
        while helped:
            helped = False
            for pod in sorted(range(len(places)), key=lambda pod: self._excess(pod, places, nodes), reverse=True):
                if len(self._known) > enough:
                    return
                helped = self._improve_pod(pod, places, nodes) or helped

    def _excess(self, pod: int, places: Places, nodes: dict[int, dict[int, float]]) -> float:
        spot = places[pod]
        return 0.0 if spot is None else self._on(spot[0], nodes[spot[0]])[pod] - min(self._least[pod])

    def _improve_pod(self, pod: int, places: Places, nodes: dict[int, dict[int, float]]) -> bool:
        here = places[pod]
        if here is None:
            return False
        for node in sorted(range(len(self._machines)), key=lambda node: self._least[pod][node]):
            ways = [self._moves(pod, here[0], node, nodes)]
            if node != here[0] and self._pulls(pod, node):
                ways.append(self._joins(pod, here[0], node, nodes))
            if any(self._made(moves, places, nodes) for moves in chain(*ways)):
                return True
        return False

    def _moves(self, pod: int, here: int, there: int, nodes: dict[int, dict[int, float]]) -> Iterator[dict[int, Spot]]:
        """The pod alone, or another takes its place: one from there or, if there is no other place, from anywhere."""
        is_full = len(nodes[here]) >= self._machines[here].slots
        others = [other for node, pods in nodes.items() if node == there or is_full for other in pods if node != here]
        for moment in self._moments(pod, there):
            yield {pod: (there, moment)}
            for other in others if there != here else ():
                yield {pod: (there, moment), other: self._first(other, here)}

    def _joins(self, pod: int, here: int, there: int, nodes: dict[int, dict[int, float]]) -> Iterator[dict[int, Spot]]:
        """The pod and another one together, so that one of them pulls for both; one from there may take its place."""
        for node, pods in nodes.items():
            for other in pods if node != there else ():
                if other != pod:
                    both = {mover: self._first(mover, there) for mover in (pod, other)}
                    yield both
                    for third in nodes[there]:
                        yield {**both, third: self._first(third, here)}

    def _pulls(self, pod: int, node: int) -> bool:
        return not {self._pods[pod].init.image, self._pods[pod].main.image} <= self._machines[node].images

    def _first(self, pod: int, node: int) -> Spot:
        return node, self._moments(pod, node)[0]

    def _made(self, moves: Mapping[int, Spot], places: Places, nodes: dict[int, dict[int, float]]) -> bool:
        """Make these moves if there is room and they help."""
        touched = {spot[0] for pod in moves for spot in (places[pod], moves[pod]) if spot is not None}
        after = {node: {pod: at for pod, at in nodes[node].items() if pod not in moves} for node in touched}
        for pod, (node, at) in moves.items():
            after[node][pod] = at
        now = self._sum({node: nodes[node] for node in touched}) - _EPSILON
        least = sum(self._least[pod][node] for node, pods in after.items() for pod in pods)
        is_overfull = any(len(pods) > self._machines[node].slots for node, pods in after.items())
        if is_overfull or least >= now or self._sum(after) >= now:
            return False
        nodes.update(after)
        for pod, spot in moves.items():
            places[pod] = spot
        return True

    def _sum(self, nodes: Mapping[int, Mapping[int, float]]) -> float:
        return sum(sum(self._on(node, pods).values()) for node, pods in nodes.items())


def least_seconds(laws: Laws, machine: Machine, pods: Sequence[Candidate], speed: float = 1.0) -> list[float]:
    """What no placement can beat on this machine, by pod: nobody in the way, images brought by the quickest pull.

    All waiting counts as in the scheduler's queue, where it is cheapest.
    """
    works = [machine.accepts_from(pod.arrival) for pod in pods]
    brought: dict[str, float] = {}
    for pod, at in zip(pods, works, strict=True):
        for container in (pod.init, pod.main):
            work = laws.pull_work(container, machine, present=False)
            end = max(at + laws.sandbox_seconds(pod, settling=False), machine.stalls_until(at))
            end += work.fixed_seconds + work.transfer_seconds
            brought[container.image] = min(end, brought.get(container.image, inf))
    brought |= dict.fromkeys(machine.images, -inf)
    found = []
    for pod, at in zip(pods, works, strict=True):
        sandbox, init = laws.sandbox_seconds(pod, settling=False), laws.init_seconds(pod)
        ways = sandbox + init + laws.application_seconds(pod, machine, 0) + laws.ready_seconds(pod)
        begin = max(at, brought[pod.init.image] - sandbox, brought[pod.main.image] - sandbox - init)
        found.append((begin - pod.arrival) / max(1.0, speed) + ways)
    return found
