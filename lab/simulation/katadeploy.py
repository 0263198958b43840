"""kata-deploy's pod on a node: installs the runtime, and restarts containerd whenever its container starts."""

from __future__ import annotations

import asyncio
from typing import Final

from lab.simulation.nodes import SimulatedNode
from lab.simulation.pods import Pod
from lab.simulation.report import RESTARTED_ANNOTATION
from lab.simulation.starts import PodStart
from lab.simulation.statuses import terminated
from lab.simulation.world import World
from model.names import KATA_DEPLOY, KATA_LABEL

STARTED_ANNOTATION: Final = "lab.stoker.dev/started-at"
"""On kata-deploy's pods: the true moment of the container's last start, wall seconds of the epoch with a fraction."""

SIGTERM_EXIT_CODE: Final = 143


def is_kata_deploy(pod: Pod) -> bool:
    return pod.metadata.labels.get("name") == KATA_DEPLOY


class KataDeploy:
    """kata-deploy on one node."""

    def __init__(self, world: World, node: SimulatedNode, pod: Pod, created_unix: float) -> None:
        self.world = world
        self.node = node
        self._start = PodStart(world, node, pod, created_unix)
        self._start.luck = (KATA_DEPLOY, node.name)  # the pod's own name differs from one run to the next
        self._container = self._start.progress.containers[0]
        self._scene: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    @property
    def ready(self) -> bool:
        return self._container.ready

    async def run(self) -> None:
        """Where the runtime is installed, the pod runs since then; else it installs it, now or in the scene."""
        if self.node.installed_at is not None:
            self._adopt(self.node.restarted_at)
            self._show_ready(self.world.clock.now())
            return
        self._start.write()
        if self.node.awaits_scene:
            await self._install(await self._scene)
        else:
            await self._pull_and_install()

    def set_scene(self, restarted_at: float) -> None:
        """Let a node that awaits its scene have installed the runtime at that moment, which may be past."""
        if not self._scene.done():
            self._scene.set_result(restarted_at)

    async def restart(self, at: float) -> None:
        """The container starts again, as in an upgrade of kata-deploy, and containerd with it."""
        before = terminated(self._container, self.world.clock, at=at, exit_code=SIGTERM_EXIT_CODE)
        self._container.last_state = before
        self._container.restarts += 1
        self._container.ready = False
        self.node.restart_containerd(at, self.world.physics)
        self._adopt(at)
        await self._settle(at)

    async def _pull_and_install(self) -> None:
        """From when the node was there for it: what the control plane then takes to bind its pod is not compressed."""
        start, kata = self._start, self.world.physics.constants.kata
        if self.node.kata_wanted_at is not None:
            start.at, self.node.kata_wanted_at = self.node.kata_wanted_at, None
        await start.start_container(self._container)
        await start.until(start.at + kata.install_seconds * start.noise("install"), "install")
        await self._install(start.at)

    async def _install(self, restarted_at: float) -> None:
        kata = self.world.physics.constants.kata
        self.node.restart_containerd(restarted_at, self.world.physics, installs=True)
        self._adopt(restarted_at - kata.install_seconds)
        await self._settle(restarted_at)
        await self.world.patch_node(self.node, {"metadata": {"labels": {KATA_LABEL: "true"}}}, manager=KATA_DEPLOY)
        if self.node.startup_taint:
            await self.world.lift_taint(self.node, self.node.startup_taint)

    def _adopt(self, started_at: float) -> None:
        """The container runs since then."""
        self._start.progress.has_sandbox = True
        content = self.world.catalogue.content(self._container.container.image, self.node.architecture)
        self._container.begin(started_at, content.identity)
        self._start.write(self._annotations())

    async def _settle(self, restarted_at: float) -> None:
        """Wait, as kata-deploy does, until the kubelet reports the handlers again; then be ready."""
        reported_at = restarted_at + self.world.physics.constants.settling.report_seconds
        annotations = {RESTARTED_ANNOTATION: f"{self.world.clock.unix(restarted_at):.3f}"}
        await self.world.patch_node(self.node, {"metadata": {"annotations": annotations}})
        self.world.report_at(self.node, reported_at)
        await self.world.clock.sleep_until(reported_at)
        self._show_ready(reported_at)

    def _show_ready(self, at: float) -> None:
        self._start.at = at
        self._container.ready = True
        self._start.write(self._annotations())

    def _annotations(self) -> dict[str, str]:
        return {STARTED_ANNOTATION: f"{self.world.clock.unix(self._container.started_at):.3f}"}
