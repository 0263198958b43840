"""`stoker lab bench placement`: a burst of gated pods on thousands of nodes, by nomination and by plain scheduling.

The same pods, deleted and created again, in alternating rounds of one run:

- `nomination`: Stoker's controller chooses from all nodes and opens the gates; kube-scheduler has its default
  configuration. The controller runs for some seconds before it gets the Lease, as one does in a cluster, so that what
  is measured is the burst and not the reading of 5,000 nodes.
- `every_node`: kube-scheduler looks at every node (`percentageOfNodesToScore: 100`).
- `sample`: kube-scheduler with its default sampling, which looks at a tenth of 5,000 nodes.

The two plain ways get pods behind a gate as well, which a client opens as fast as it can: one write a pod where
nomination makes two. So what is compared begins alike, with pods that are known to everybody and wait; and plain
scheduling is not burdened with their creation. One kube-scheduler has both configurations as profiles, so that all
three share one cache and one client limit; Stoker runs only while it is measured.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.bursts import Binding, Burst, Call
from benchmarks.crowd import create_nodes, is_warm, node_name
from benchmarks.installation import Installation
from benchmarks.report import Bench, Comparison, middle
from cluster.access import load_access
from cluster.client import ApiClient
from cluster.leases import LeaseName
from lab.commandlines import LOOPBACK
from lab.constants import Constants
from lab.processes import Process, start_on_free_ports
from lab.stage import is_ready
from lab.toolchain import Programs
from model import names
from model.errors import NotFound

EVERY_NODE_FLOOR: Final = 4.0
SAMPLE_FLOOR: Final = 0.9

PLAIN_GATE: Final = "bench.stoker.dev/start"
SCHEDULER: Final = "default-scheduler"
EVERY_NODE_SCHEDULER: Final = "every-node"

NOMINATION: Final = "nomination"
CALLS: Final = {
    NOMINATION: Call(names.WARM_NODE_GATE, SCHEDULER),
    "every_node": Call(PLAIN_GATE, EVERY_NODE_SCHEDULER),
    "sample": Call(PLAIN_GATE, SCHEDULER),
}
SCHEDULER_CONFIGURATION: Final = {
    "profiles": [
        {"schedulerName": SCHEDULER},
        {"schedulerName": EVERY_NODE_SCHEDULER, "percentageOfNodesToScore": 100},
    ]
}
SETTLE_WALL_SECONDS: Final = 3.0
"""In which everybody finishes with what was: the pods of the last round that are gone, the nodes just read."""

LEASE_WALL_SECONDS: Final = 3_600


@dataclass(frozen=True, slots=True)
class Size:
    nodes: int
    pods: int
    rounds: int


@dataclass(frozen=True, slots=True)
class Round:
    """One burst's outcome."""

    mode: str
    pods: int
    seconds: float
    on_nominated_node: int
    on_warm_node: int

    @property
    def pods_per_second(self) -> float:
        return self.pods / self.seconds


class PlacementBench:
    """Made by `start`, which also ends what it runs on."""

    def __init__(self, installation: Installation, constants: Constants, size: Size) -> None:
        self._installation = installation
        self._control_plane = installation.control_plane
        self._client = installation.client
        self._constants = constants
        self._size = size

    @classmethod
    @asynccontextmanager
    async def start(
        cls, programs: Programs, constants: Constants, size: Size, progress: Callable[[str], None]
    ) -> AsyncIterator[PlacementBench]:
        """An installation with the nodes and the scheduler. The bench writes into its pods what the webhook would."""
        async with Installation.start(programs, constants) as installation:
            progress(f"creating {size.nodes} nodes")
            await create_nodes(installation.client, constants, size.nodes)
            await installation.control_plane.start_scheduler(SCHEDULER, SCHEDULER_CONFIGURATION)
            yield cls(installation, constants, size)

    async def run(self, progress: Callable[[str], None]) -> list[Round]:
        """The rounds of all modes, one mode after the other in each round."""
        rounds = []
        for number in range(self._size.rounds):
            for mode in CALLS:
                found = await self._round(mode)
                progress(
                    f"round {number + 1} of {self._size.rounds}, {mode}: {found.pods_per_second:.0f} pods/s "
                    f"({found.seconds:.1f} s), {found.on_warm_node} on warm nodes"
                )
                rounds.append(found)
        return rounds

    async def _round(self, mode: str) -> Round:
        await asyncio.sleep(SETTLE_WALL_SECONDS)
        async with Burst.of(self._client, self._constants, self._size.pods, CALLS[mode]) as burst:
            if mode == NOMINATION:
                async with self._controller():
                    bindings, seconds = await burst.all_bound()
            else:
                # As Stoker's service account too: certificates cost the API server more than tokens.
                async with ApiClient(await load_access(await self._installation.kubeconfig("stoker"))) as naive:
                    await self._installation.collect_garbage()
                    _, (bindings, seconds) = await asyncio.gather(burst.open_gates(naive), burst.all_bound())
        return self._outcome(mode, bindings, seconds)

    def _outcome(self, mode: str, bindings: Sequence[Binding], seconds: float) -> Round:
        warm = {node_name(index) for index in range(self._size.nodes) if is_warm(index)}
        return Round(
            mode=mode,
            pods=len(bindings),
            seconds=seconds,
            on_nominated_node=sum(item.node == item.promised for item in bindings),
            on_warm_node=sum(item.node in warm for item in bindings),
        )

    @asynccontextmanager
    async def _controller(self) -> AsyncIterator[None]:
        """`stoker serve --roles controllers` as the manifests' service account; it leads when the block begins."""
        await self._set_leader("bench")
        kubeconfig = await self._installation.kubeconfig("stoker")

        def build(ports: Sequence[int]) -> Process:
            command: list[Any] = [sys.executable, "-m", "cli.main", "serve", "--roles", "controllers"]
            command += ["--insecure-http", "--kubeconfig", kubeconfig, "--metrics-listen", f"{LOOPBACK}:{ports[0]}"]
            log = self._control_plane.directory / "logs" / "controllers.log"
            return Process("controllers", command, log=log, check=is_ready(ports[0]))

        process = await start_on_free_ports(1, build)
        try:
            await asyncio.sleep(SETTLE_WALL_SECONDS)
            await self._installation.collect_garbage()
            await self._set_leader("")
            yield
        finally:
            await process.stop()

    async def _set_leader(self, holder: str) -> None:
        """Of the controllers' Lease; while it is somebody's, no controller begins."""
        lease = LeaseName(names.NAMESPACE, names.CONTROLLERS_LEASE)
        spec = {"holderIdentity": holder, "leaseDurationSeconds": LEASE_WALL_SECONDS}
        try:
            await self._client.patch(lease.path, {"spec": spec})
        except NotFound:
            body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": lease.name}}
            await self._client.create(lease.collection, {**body, "spec": spec})


def compare(rounds: Sequence[Round]) -> Bench:
    """By the medians of the rounds, in pods per second."""
    speeds = {mode: middle([item.pods_per_second for item in rounds if item.mode == mode]) for mode in CALLS}
    nominated = [item for item in rounds if item.mode == NOMINATION]
    return Bench(
        name="placement",
        first=Comparison(speeds[NOMINATION], speeds["every_node"], EVERY_NODE_FLOOR),
        further={"default_sampling": Comparison(speeds[NOMINATION], speeds["sample"], SAMPLE_FLOOR)},
        claims={"on_nominated_node": all(item.on_nominated_node == item.pods for item in nominated)},
        details={
            "unit": "pods bound per second",
            "rounds": {mode: [_row(item) for item in rounds if item.mode == mode] for mode in CALLS},
        },
    )


def _row(item: Round) -> dict[str, Any]:
    return {
        "pods": item.pods,
        "seconds": round(item.seconds, 3),
        "pods_per_second": round(item.pods_per_second, 1),
        "on_nominated_node": item.on_nominated_node,
        "on_warm_node": item.on_warm_node,
    }
