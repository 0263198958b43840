"""An autoscaler of nodes, as Karpenter behaves: what it sees, what it launches, and when.

It reacts to pods that a scheduler found Unschedulable, and to nothing else: a gated pod is not seen, and one with a
nomination is taken for served. Launched machines take the seconds of the constants to boot, and join cold.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lab.simulation.fleet import Fleet
from lab.simulation.pods import Pod
from lab.stories import ColdJoin


@dataclass(frozen=True, slots=True)
class Launches:
    """What was launched so far, and who it was launched for."""

    nodes: int = 0
    served: frozenset[str] = frozenset()
    """Uids of pods that a machine on its way is meant for."""


def is_seen(pod: Pod) -> bool:
    """Whether an autoscaler would bring a node for the pod."""
    return pod.is_unschedulable and not pod.spec.scheduling_gates and not pod.status.nominated_node_name


def launch(pods: Iterable[Pod], before: Launches, slots: int, most: int) -> Launches:
    """Enough machines of so many slots for the pods that are seen, those on their way counted, up to the most."""
    unserved = sorted(pod.metadata.uid for pod in pods if is_seen(pod) and pod.metadata.uid not in before.served)
    room = before.nodes * slots - len(before.served)
    wanted = -(-max(0, len(unserved) - room) // slots) if slots else 0
    nodes = min(most, before.nodes + wanted)
    taken = unserved[: max(0, nodes * slots - len(before.served))]
    return Launches(nodes, before.served | frozenset(taken))


class Autoscaler:
    """Watches one fleet until it is cancelled."""

    def __init__(self, fleet: Fleet, story: ColdJoin, slots: int) -> None:
        self.launches = Launches()
        self.first_launch_unix: float | None = None
        self._fleet = fleet
        self._story = story
        self._slots = slots

    async def run(self) -> None:
        group, clock = self._story.joining, self._fleet.clock
        while True:
            await clock.sleep_until(clock.now() + max(self._story.batch_seconds, 1.0))
            after = launch(self._fleet.pods.values(), self.launches, self._slots, group.count)
            for number in range(self.launches.nodes + 1, after.nodes + 1):
                if self.first_launch_unix is None:
                    self.first_launch_unix = clock.unix(clock.now())
                self._fleet.launch(group, f"{group.name}-{number}")
            self.launches = after
