"""How long things take. Pure: the same seed, names and circumstances give the same seconds.

Chance is drawn per pod (or node) and stage from its names, not from a stream that all share: two runs that place the
same pods differently meet the same luck.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

from lab.constants import Constants
from lab.physical import SandboxKind


@dataclass(frozen=True, slots=True)
class PullWork:
    """What one pull costs where nothing hinders it."""

    fixed_seconds: float
    transfer_seconds: float
    """At the node's whole rate; longer where pulls share it."""


class Physics:
    """The constants' formulas."""

    def __init__(self, constants: Constants) -> None:
        self.constants = constants

    def random(self, *names: str) -> Random:
        return Random("/".join((str(self.constants.seed), *names)))  # noqa: S311 - noise of a simulation, not a secret

    def noise(self, *names: str) -> float:
        """A factor, log-normal with median 1: exp(N(0, sigma))."""
        return math.exp(self.random(*names).gauss(0.0, self.constants.noise.sigma))

    def pull_noise(self, node: str, reference: str) -> float:
        """Of every pull of an image on a node, whichever pod asks for it.

        Pods that waited for containerd to settle all ask at one moment, and one of them pulls for the others: which one
        is decided by the machine that runs the lab, and must not make a run luckier than another.
        """
        return self.noise("pull", node, reference)

    def disk_factor(self, node: str) -> float:
        """1, or the slow factor on the slow share of the nodes."""
        disks = self.constants.disks
        return disks.slow_factor if self.random("disk", node).random() < disks.slow_share else 1.0

    def sandbox_kind(self, handler: str) -> SandboxKind:
        sandbox = self.constants.sandbox
        return sandbox.kata if handler in self.constants.kata.handlers else sandbox.runc

    def sandbox_seconds(self, handler: str, *, settling: bool, noise: float = 1.0) -> float:
        """boot x (sandbox_factor while containerd settles) x noise."""
        factor = self.constants.settling.sandbox_factor if settling else 1.0
        return self.sandbox_kind(handler).boot_seconds * factor * noise

    def retry_seconds(self, failures: int, draw: float) -> float:
        """Wait before the next attempt: min(max, first x factor^(failures-1)) x (1 + jitter x draw).

        `draw` is uniform in 0..1. The first wait is never cut: the maximum concerns the growth.
        """
        sandbox = self.constants.sandbox
        longest = max(sandbox.retry_max_seconds, sandbox.retry_seconds)
        exponent = min(failures - 1, 64)  # by then the maximum is reached by any factor that grows at all
        return min(longest, sandbox.retry_seconds * sandbox.retry_factor**exponent) * (1 + sandbox.retry_jitter * draw)

    def pull_work(self, size_bytes: int, *, present: bool, disk_factor: float = 1.0, noise: float = 1.0) -> PullWork:
        """(fixed + bytes / rate) x disk x noise; where the image is present, the manifest's check alone."""
        pull = self.constants.pull
        if present:
            return PullWork(pull.manifest_check_seconds * noise, 0.0)
        factor = disk_factor * noise
        return PullWork(pull.fixed_seconds * factor, size_bytes / (pull.megabytes_per_second * 1e6) * factor)

    def application_seconds(
        self, start_seconds: float, *, starting: int, disk_factor: float = 1.0, noise: float = 1.0
    ) -> float:
        """start x disk x noise + seconds_per_extra_start x (pods starting on the node beyond the free ones)."""
        contention = self.constants.contention
        extra = max(0, starting - contention.free_starts)
        return start_seconds * disk_factor * noise + extra * contention.seconds_per_extra_start

    def refresh_seconds(self, node: str, image: str) -> float:
        """From an image's arrival until the kubelet lists it."""
        report = self.constants.report
        return self.random("refresh", node, image).uniform(report.refresh_min_seconds, report.refresh_max_seconds)
