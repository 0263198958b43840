"""When a node will be warm enough to start a pod there, and what the start then takes.

The forecast answers for a pod that is bound now: what lies before the runtime is ready, it counts as the pod's own
seconds, and adds the risk of a sandbox that fails. A gate can do better: it waits for that moment and then binds. So
here the same terms are split into the wait, which a hold can outlast, and the start.
"""

from __future__ import annotations

from typing import Final

import msgspec

from model.nodes import NodeFacts
from model.pods import PodNeeds
from model.profiles import ProfileSpec
from model.runtime import (
    INSTALL_SECONDS,
    RuntimeState,
    RuntimeVerdict,
    runtime_on,
    seconds_left,
    seconds_until_installed,
)
from model.terms import (
    BOOT_SECONDS,
    SANDBOX_RETRY_SECONDS,
    ImageSizes,
    application_term,
    contention_term,
    init_term,
    pull_term,
    ready_term,
    runtime_term,
    sandbox_term,
    settle_term,
    settle_windows,
)
from placement.verdicts import HoldReason

OVERDUE_FACTOR: Final = 2.0
"""What has taken so many times its expected seconds is not coming any more: nobody is to wait for it."""


class Prospect(msgspec.Struct, frozen=True, gc=False):
    """A node's way to warmth for one handler: `stage` is what it is in, None where a pod may be bound now."""

    until_warm_seconds: float
    unknown_seconds: float = 0.0
    """What the start costs more because nobody knows whether the handler is there."""

    stage: HoldReason | None = None


def prospect(node: NodeFacts, handler: str, profile: ProfileSpec, now: float) -> Prospect | None:
    """None where the handler is absent, or where what is missing is not on its way or long overdue."""
    runtime = runtime_on(node, handler, now)
    boot = _seconds_to_boot(node, now)
    if boot is None or runtime.state is RuntimeState.ABSENT:
        return None
    if runtime.state is RuntimeState.INSTALLING:
        return _installing(node, profile, boot, now)
    unknown = runtime_term(node, runtime, now).seconds
    settle = _seconds_to_settle(node, runtime, profile, now)
    if settle is None or (boot and unknown):
        return None
    if boot:
        return Prospect(boot + settle, stage=HoldReason.BOOTING)
    return Prospect(settle, unknown, HoldReason.SETTLING if settle else None)


def seconds_to_lose_taints(node: NodeFacts, profile: ProfileSpec, now: float) -> float | None:
    """What is left until a warm node loses its startup taints; None long after.

    It is due when the boot is over and the node has become warm: whoever lifts the taints waits for that.
    """
    ends = [began + window for began, window, _ in settle_windows(node, profile, now) if began is not None]
    if node.kata_labelled is not None:
        ends.append(node.kata_labelled)
    warm_since = max((end for end in ends if end <= now), default=node.created)
    expected, age = max(BOOT_SECONDS, warm_since - node.created), now - node.created
    patience = (OVERDUE_FACTOR - 1) * BOOT_SECONDS
    return seconds_left(expected, age) if age <= expected + patience else None


class StartSeconds:
    """The seconds that pods of equal needs take on nodes once these are warm: the forecast's remaining terms."""

    def __init__(self, pod: PodNeeds, profile: ProfileSpec, sizes: ImageSizes) -> None:
        self._pod = pod
        self._profile = profile
        self._sizes = sizes
        self._images = frozenset(pod.images)
        self._pulls_on_node = not profile.peer_pods.enabled
        self._fixed = sandbox_term(pod, profile).seconds + init_term(pod, profile).seconds + ready_term(profile).seconds
        self._application: dict[str, float] = {}
        self._pull: dict[tuple[object, ...], float] = {}

    def on(self, node: NodeFacts) -> float:
        application = self._application.get(node.architecture)
        if application is None:
            application = self._application[node.architecture] = application_term(node, self._profile).seconds
        seconds = self._fixed + application
        if not (self._pulls_on_node and self._images <= node.images):
            seconds += self._pull_on(node)
        return seconds + contention_term(node, self._profile).seconds if node.starting else seconds

    def _pull_on(self, node: NodeFacts) -> float:
        """Worked out once for nodes that look the same to a pull."""
        present = self._images & node.images
        key = present, node.architecture, node.pulling, node.smallest_reported_bytes, node.images_reported
        seconds = self._pull.get(key)
        if seconds is None:
            seconds = self._pull[key] = pull_term(self._pod, node, self._profile, self._sizes).seconds
        return seconds


def _seconds_to_boot(node: NodeFacts, now: float) -> float | None:
    if node.ready:
        return 0.0
    age = now - node.created
    return seconds_left(BOOT_SECONDS, age) if _is_under_way(BOOT_SECONDS, age) else None


def _installing(node: NodeFacts, profile: ProfileSpec, boot: float, now: float) -> Prospect | None:
    """An installation ends with containerd's restart, after which the whole settle window is to come."""
    since, expected = node.created, BOOT_SECONDS + INSTALL_SECONDS
    if node.installer is not None:
        since, expected = node.installer.created, INSTALL_SECONDS
    if not _is_under_way(expected, now - since):
        return None
    seconds = boot + seconds_until_installed(node, now) + profile.install_settle_seconds
    return Prospect(seconds, stage=HoldReason.INSTALLING)


def _seconds_to_settle(node: NodeFacts, runtime: RuntimeVerdict, profile: ProfileSpec, now: float) -> float | None:
    """What is left of the settle window itself; None where a restart is announced that does not come, or where the
    sandboxes of a pod have been failing for too long: it will not help to wait, and another's might fail as well.
    """
    seconds = settle_term(node, runtime, profile, now).seconds
    if not seconds:
        return 0.0
    troubles = _announced_since(node), _failing_since(node, profile, now)
    if any(since is not None and not _is_under_way(INSTALL_SECONDS, now - since) for since in troubles):
        return None
    return seconds - SANDBOX_RETRY_SECONDS


def _announced_since(node: NodeFacts) -> float | None:
    """Since when a restart of containerd is to come."""
    installer = node.installer
    return installer.created if installer is not None and installer.started is None else None


def _failing_since(node: NodeFacts, profile: ProfileSpec, now: float) -> float | None:
    """Since when the sandboxes of one pod have been failing, if they still are."""
    is_failing = node.sandbox_failed is not None and now - node.sandbox_failed < profile.settle_seconds
    return node.sandbox_failing_since if is_failing else None


def _is_under_way(expected_seconds: float, elapsed_seconds: float) -> bool:
    return elapsed_seconds <= OVERDUE_FACTOR * expected_seconds
