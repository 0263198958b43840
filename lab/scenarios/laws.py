"""The simulation's formulas for one kind of pod, with their draws of chance remembered."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from lab.constants import Constants
from lab.scenarios.machines import Machine
from lab.simulation.catalogue import Catalogue, ImageContent
from lab.simulation.physics import Physics, PullWork


@dataclass(frozen=True, slots=True)
class Container:
    """What of a container its start depends on; `image` is canonical, `reference` as the pod names it."""

    name: str
    reference: str
    image: str
    always_pulls: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """A pod of a story: an init container, then a main one, in a Kata sandbox."""

    namespace: str
    name: str
    arrival: float
    """Seconds from the first pod's arrival."""

    init: Container
    main: Container


class Laws:
    """Seconds of each stage of a candidate's start; see lab/simulation/physics.py for the formulas."""

    def __init__(self, constants: Constants) -> None:
        self.physics = Physics(constants)
        self._kind = self.physics.sandbox_kind(constants.kata.runtime_class)
        self._handler = constants.kata.runtime_class
        catalogue = Catalogue(constants)

        @cache
        def noise(namespace: str, name: str, stage: str) -> float:
            return self.physics.noise("pod", namespace, name, stage)

        @cache
        def content(reference: str, architecture: str) -> ImageContent:
            return catalogue.content(reference, architecture)

        self._drawn, self._content = noise, content
        self._pull_noise = cache(self.physics.pull_noise)

    def retry_seconds(self, pod: Candidate, failures: int) -> float:
        draw = self.physics.random("retry", pod.namespace, pod.name, str(failures)).random()
        attempt = self.physics.constants.sandbox.failed_attempt_seconds
        return attempt + self.physics.retry_seconds(failures, draw)

    def sandbox_seconds(self, pod: Candidate, *, settling: bool) -> float:
        return self.physics.sandbox_seconds(self._handler, settling=settling, noise=self._noise(pod, "sandbox"))

    def init_seconds(self, pod: Candidate) -> float:
        return self._kind.init_seconds * self._noise(pod, f"init {pod.init.name}")

    def ready_seconds(self, pod: Candidate) -> float:
        return self._kind.ready_seconds * self._noise(pod, "ready")

    def application_seconds(self, pod: Candidate, machine: Machine, starting: int) -> float:
        return self.physics.application_seconds(
            self._content(pod.main.reference, machine.architecture).application_seconds,
            starting=starting,
            disk_factor=machine.disk_factor,
            noise=self._noise(pod, f"application {pod.main.name}"),
        )

    def pull_work(self, container: Container, machine: Machine, *, present: bool) -> PullWork:
        size = self._content(container.reference, machine.architecture).size_bytes
        noise = self._pull_noise(machine.name, container.reference)
        return self.physics.pull_work(size, present=present, disk_factor=machine.disk_factor, noise=noise)

    def _noise(self, pod: Candidate, stage: str) -> float:
        return self._drawn(pod.namespace, pod.name, stage)
