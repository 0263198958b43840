"""One pod's way from the binding to Ready, as a kubelet and containerd would take it.

A start has a cursor, `at`: the model's moment at which the last stage ended. Each stage begins there, and only then is
the wall waited for, so that slow writes or a busy machine delay what the API shows but not what is true.
"""

from __future__ import annotations

from lab.simulation.events import PodEvent
from lab.simulation.nodes import SimulatedNode
from lab.simulation.objects import RUNTIME_CLASSES
from lab.simulation.pods import CREATED_ANNOTATION, Container, Pod
from lab.simulation.pulls import Download
from lab.simulation.statuses import ContainerProgress, PodProgress
from lab.simulation.truth import Truth
from lab.simulation.world import World
from lab.simulation.writes import StatusWriter, persist
from model.errors import NotFound

MISSING_CLASS_SECONDS = 10.0


class PodStart:
    """The start of one pod on one node."""

    def __init__(self, world: World, node: SimulatedNode, pod: Pod, created_unix: float) -> None:
        self.world = world
        self.node = node
        self.pod = pod
        self.at = world.clock.now()
        self.handler = ""
        self.luck: tuple[str, ...] = ("pod", pod.metadata.namespace, pod.metadata.name)
        self.progress = PodProgress(pod, node.address, node.next_address())
        self.writer = StatusWriter(world.api, world.tasks, world.status_slots, pod)
        self.truth = Truth(
            namespace=pod.metadata.namespace,
            name=pod.metadata.name,
            node=node.name,
            architecture=node.architecture,
            created_unix=created_unix,
            bound_unix=world.clock.unix(self.at),
            bound_at=self.at,
        )
        world.truths[pod.metadata.uid] = self.truth

    async def run(self) -> None:
        """Through all stages; returns when the pod is ready."""
        self.node.starting.add(self.pod.metadata.uid)
        self.handler = await self._find_handler()
        self._look_at_the_node()
        self.write()
        await self._get_sandbox()
        for volume in self.pod.spec.volumes:
            if volume.image is not None:
                await self.ensure_image(volume.image.reference, volume.image.pull_policy, "")
        for item in self.progress.init_containers:
            await self._run_init(item)
        await self._start_containers()

    def write(self, annotations: dict[str, str] | None = None) -> None:
        document = self.progress.document(self.at, self.truth.bound_at, self.world.clock)
        self.writer.write(document, annotations)

    def record(self, reason: str, message: str, field_path: str) -> None:
        self.world.events.record(PodEvent(self.pod, self.at, reason, message, field_path))

    def noise(self, stage: str) -> float:
        return self.world.physics.noise(*self.luck, stage)

    async def until(self, moment: float, stage: str) -> None:
        """The stage lasts until then; one without length is not written down."""
        if moment > self.at:
            self.truth.add_stage(stage, self.at, moment)
            self.at = moment
        await self.world.clock.sleep_until(self.at)

    async def ensure_image(self, reference: str, policy: str, field_path: str) -> None:
        """Returns with the image in the node's store, pulled if need be once containerd has settled."""
        node = self.node
        if policy != "Always" and node.has(reference):
            message = f'Container image "{reference}" already present on machine and can be accessed by the pod'
            self.record("Pulled", message, field_path)
            return
        while node.pulls_stall_until > self.at:
            await self.until(node.pulls_stall_until, "settle")
        self.record("Pulling", f'Pulling image "{reference}"', field_path)
        requested = self.at
        pull = await node.puller.pull(requested, self._download(reference))
        begun = max(requested, pull.begun)
        await self.until(begun, "queue")
        await self.until(pull.ended, "pull")
        size = self.world.catalogue.content(reference, node.architecture).size_bytes
        self.record("Pulled", pulled_message(reference, pull.ended - begun, pull.ended - requested, size), field_path)

    async def start_container(self, item: ContainerProgress) -> None:
        """Its image, then the container itself; what runs in it takes its time afterwards."""
        field_path = item.field_path
        await self.ensure_image(item.container.image, item.container.image_pull_policy, field_path)
        item.begin(self.at, self._image_id(item.container))
        self.record("Created", "Container created", field_path)
        self.record("Started", "Container started", field_path)
        self.write()

    def become_ready(self) -> None:
        """The last stage is over."""
        for item in self.progress.containers:
            item.ready = True
        self.node.starting.discard(self.pod.metadata.uid)
        self.truth.ready_at = self.at
        self.truth.ready_unix = self.world.clock.unix(self.at)
        self.write(self.truth.annotations())

    def _look_at_the_node(self) -> None:
        node, truth = self.node, self.truth
        truth.cold_reasons = tuple(node.cold_reasons(self.at, self.handler, self.pod.images))
        truth.warm_at_binding = not truth.cold_reasons
        truth.handler_present = node.handler_works(self.handler)
        truth.in_settle_window = "settling" in truth.cold_reasons
        truth.seconds_since_restart = self.at - node.restarted_at
        if node.installed_at is not None:
            truth.seconds_since_install = self.at - node.installed_at

    async def _find_handler(self) -> str:
        name = self.pod.spec.runtime_class_name
        if name is None:
            return ""
        while name not in self.world.handlers:
            try:
                found = await persist(lambda: self.world.api.get(f"{RUNTIME_CLASSES}/{name}"))
                self.world.handlers[name] = found["handler"]
            except NotFound:
                message = (
                    f'Failed to create pod sandbox: failed to get sandbox runtime: RuntimeClass "{name}" not found'
                )
                self._record_refusal(message)
                await self.until(self.at + MISSING_CLASS_SECONDS, "runtime")
        return self.world.handlers[name]

    async def _get_sandbox(self) -> None:
        physics, metadata = self.world.physics, self.pod.metadata
        while (refusal := self.node.sandbox_refusal(self.at, self.handler)) is not None:
            attempt = physics.constants.sandbox.failed_attempt_seconds
            self._record_refusal(f"Failed to create pod sandbox: {refusal}")
            failures = self.truth.failed_sandboxes
            draw = physics.random("retry", metadata.namespace, metadata.name, str(failures)).random()
            await self.until(self.at + attempt + physics.retry_seconds(failures, draw), "runtime")
        settling = self.at < self.node.pulls_stall_until
        seconds = physics.sandbox_seconds(self.handler, settling=settling, noise=self.noise("sandbox"))
        await self.until(self.at + seconds, "sandbox")
        self.progress.has_sandbox = True
        self.write()

    def _record_refusal(self, message: str) -> None:
        self.truth.failed_sandboxes += 1
        self.world.events.record(PodEvent(self.pod, self.at, "FailedCreatePodSandBox", message, kind="Warning"))

    async def _run_init(self, item: ContainerProgress) -> None:
        await self.start_container(item)
        if item.container.restart_policy == "Always":
            item.ready = True
            return
        kind = self.world.physics.sandbox_kind(self.handler)
        await self.until(self.at + kind.init_seconds * self.noise(f"init {item.container.name}"), "init")
        item.end(self.at)
        self.write()

    async def _start_containers(self) -> None:
        listening = self.at
        for item in self.progress.containers:
            await self.start_container(item)
            listening = max(listening, self.at + self._application_seconds(item.container))
        await self.until(listening, "application")
        kind = self.world.physics.sandbox_kind(self.handler)
        await self.until(self.at + kind.ready_seconds * self.noise("ready"), "ready")
        self.become_ready()

    def _application_seconds(self, container: Container) -> float:
        content = self.world.catalogue.content(container.image, self.node.architecture)
        return self.world.physics.application_seconds(
            content.application_seconds,
            starting=len(self.node.starting),
            disk_factor=self.node.disk_factor,
            noise=self.noise(f"application {container.name}"),
        )

    def _image_id(self, container: Container) -> str:
        return self.world.catalogue.content(container.image, self.node.architecture).identity

    def _download(self, reference: str) -> Download:
        node, physics = self.node, self.world.physics
        content = self.world.catalogue.content(reference, node.architecture)
        noise = physics.pull_noise(node.name, reference)

        def arrived(at: float) -> None:
            if not node.has(reference):
                reported_from = at + physics.refresh_seconds(node.name, reference)
                node.add_image(content, reported_from)
                self.world.report_at(node, reported_from)

        return Download(
            lambda: physics.pull_work(
                content.size_bytes, present=node.has(reference), disk_factor=node.disk_factor, noise=noise
            ),
            arrived,
        )


def pulled_message(reference: str, seconds: float, with_waiting: float, size_bytes: int) -> str:
    """The kubelet's words of a pull, durations as Go prints them."""
    return (
        f'Successfully pulled image "{reference}" in {go_duration(seconds)} '
        f"({go_duration(with_waiting)} including waiting). Image size: {size_bytes} bytes."
    )


def go_duration(seconds: float) -> str:
    """As Go's time.Duration.String, cut to milliseconds: 135ms, 41.2s, 1m3.05s, 0s."""
    milliseconds = int(seconds * 1000)
    if milliseconds == 0:
        return "0s"
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    text = f"{rest / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    if hours:
        return f"{hours}h{minutes}m{text}"
    return f"{minutes}m{text}" if minutes else text


def created_unix(pod: Pod, first_seen_unix: float) -> float:
    """The creator's own word, where it left one that is a number; else when the watch first told of the pod."""
    try:
        return float(pod.metadata.annotations.get(CREATED_ANNOTATION, ""))
    except ValueError:
        return first_seen_unix
