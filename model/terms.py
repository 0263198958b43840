"""The terms of the forecast: pure functions that give seconds, each with its formula and the source of its numbers.

A term also says what it rests on: `observed` (the cluster shows it), `prior` (the profile's figure, no observation
contradicts it) or `unknown` (nothing is known, so the prior counts half where presence itself is the question).
The seeds meant are the benchmark of Kata and runc starts on EKS of 2026-03-03 (the first) and the peer pods' thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, Protocol

import msgspec

from model.nodes import NodeFacts, RuntimeInstaller
from model.pods import PodNeeds
from model.profiles import ProfileSpec
from model.runtime import INSTALL_SECONDS, RuntimeState, RuntimeVerdict, seconds_left, seconds_until_installed

BOOT_SECONDS: Final = 55.0
"""From the creation of a node to its readiness: 55 s for a c6i.metal (first seed)."""

RUNC_SANDBOX_SECONDS: Final = 1.0
"""A sandbox of the node's default runtime: at most 1 s in the first seed's runc runs."""

PRIOR_IMAGE_BYTES: Final = 1_130_000_000
"""The size of an image that no node reports: the first seed's main image on x86-64."""

SANDBOX_RETRY_SECONDS: Final = 15.0
"""The longest wait of a kubelet before it tries a failed sandbox again: backOffPeriod of 10 s with 50 % of jitter
(pkg/kubelet in Kubernetes v1.36). Whatever starts before containerd has settled runs the risk of it."""

UNKNOWN_SHARE: Final = 0.5
"""The weight of a cost that is paid if something is absent, where nobody knows whether it is: neither good nor bad."""

CLOCK_SKEW_SECONDS: Final = 300.0
"""An instant further ahead of our clock than this is a mistake of whoever wrote it."""

FIRST_INSTALL_SECONDS: Final = 600.0
"""An installer that came within this time of its node is installing for the first time, if no label tells better."""

Basis = Literal["observed", "prior", "unknown"]


class Term(msgspec.Struct, frozen=True, gc=False):
    """A share of the forecast."""

    name: str
    seconds: float
    basis: Basis
    note: str = ""


class ImageSizes(Protocol):
    """What the fleet knows of the sizes of images."""

    def bytes_of(self, image: str, architecture: str) -> int | None:
        """The size of an image on an architecture, in bytes; None where no node reports it."""


def node_term(node: NodeFacts, now: float) -> Term:
    """0 for a Ready node, else what is left of `BOOT_SECONDS` since it was created; half of it all where unknown."""
    if node.ready:
        return Term("node", 0.0, "observed")
    if node.ready is None:
        return Term("node", UNKNOWN_SHARE * BOOT_SECONDS, "unknown", "the node does not tell whether it is ready")
    return Term("node", seconds_left(BOOT_SECONDS, now - node.created), "prior", "the node is not ready")


def runtime_term(node: NodeFacts, verdict: RuntimeVerdict, now: float) -> Term:
    """0 where the handler works; what is left of its installation; half of a whole installation where unknown.

    Where it never comes there are no seconds to forecast: the forecast itself says that it is impossible.
    """
    if verdict.state in (RuntimeState.PRESENT, RuntimeState.ABSENT):
        return Term("runtime", 0.0, "observed")
    if verdict.state is RuntimeState.UNKNOWN:
        return Term("runtime", UNKNOWN_SHARE * INSTALL_SECONDS, "unknown", verdict.reason)
    return Term("runtime", seconds_until_installed(node, now), "prior", verdict.reason)


def settle_term(node: NodeFacts, verdict: RuntimeVerdict, profile: ProfileSpec, now: float) -> Term:
    """What is left of the settle window after containerd's last restart, or after a sandbox last failed.

    The window is `installSettleSeconds` after the runtime's first installation (the first seed's unexplained 132 s
    followed one), else `settleSeconds`. An installation under way still has its restart, and so the whole window,
    before it. As long as the window is open, a sandbox may fail, which costs `SANDBOX_RETRY_SECONDS` more.
    """
    if verdict.state is RuntimeState.INSTALLING:
        seconds = profile.install_settle_seconds + SANDBOX_RETRY_SECONDS
        return Term("settle", seconds, "prior", "containerd will be restarted")
    seconds, note = max(
        ((_left_of(window, began, now), why) for began, window, why in settle_windows(node, profile, now)),
        key=lambda left: left[0],
        default=(0.0, ""),
    )
    if seconds <= 0.0:
        return Term("settle", 0.0, "observed")
    return Term("settle", seconds + SANDBOX_RETRY_SECONDS, "prior", note)


def sandbox_term(pod: PodNeeds, profile: ProfileSpec) -> Term:
    """`startup.sandboxSeconds` for a runtime of its own, `RUNC_SANDBOX_SECONDS` for the node's default."""
    if pod.handler:
        return Term("sandbox", float(profile.startup.sandbox_seconds), "prior")
    return Term("sandbox", RUNC_SANDBOX_SECONDS, "prior")


def init_term(pod: PodNeeds, profile: ProfileSpec) -> Term:
    """`startup.initSeconds` where the pod has init containers."""
    return Term("init", float(profile.startup.init_seconds) if pod.has_init_containers else 0.0, "prior")


def pull_term(pod: PodNeeds, node: NodeFacts, profile: ProfileSpec, sizes: ImageSizes) -> Term:
    """For the images that the node lacks: fixed seconds + bytes ÷ rate, behind the pulls that run there already.

    A kubelet pulls one image at a time, so the fixed seconds add up and the pulls before ours are waited for; with
    parallel pulls they share the rate, and the fixed seconds are paid once. A runtime that pulls inside the guest
    (peer pods) has neither the node's images nor its queue. An image that may be hidden by a cut-off report counts
    with `UNKNOWN_SHARE`. 5 s + 1.13 GB ÷ 32 MB/s = 40.3 s; the first seed measured 38 to 41 s.
    """
    startup, lacking = profile.startup, _lacking(pod, node, profile, sizes)
    if not lacking:
        return Term("pull", 0.0, "observed")
    pulls = dict(lacking)
    if not profile.peer_pods.enabled:
        pulls.update((image, 1.0) for image in node.pulling)
    known = [(share, sizes.bytes_of(image, node.architecture)) for image, share in pulls.items()]
    weighted_bytes = sum(share * (PRIOR_IMAGE_BYTES if size is None else size) for share, size in known)
    shares = [share for share, _ in known]
    fixed = startup.pull_seconds_per_image * (max(shares) if startup.parallel_image_pulls else sum(shares))
    seconds = fixed + weighted_bytes / (startup.pull_megabytes_per_second * 1_000_000)
    if any(share < 1.0 for share in lacking.values()):
        why = "the node's list of images is cut off" if node.images_reported else "the node lists no images"
        return Term("pull", seconds, "unknown", why)
    sizes_known = all(size is not None for _, size in known)
    return Term("pull", seconds, "observed" if sizes_known else "prior", _pull_note(len(lacking), len(pulls)))


def application_term(node: NodeFacts, profile: ProfileSpec) -> Term:
    """`startup.applicationSeconds` of the node's architecture; the slowest of them where it is not among them."""
    by_architecture = profile.startup.application_seconds
    seconds = by_architecture.get(node.architecture)
    if seconds is not None:
        return Term("application", float(seconds), "prior")
    return Term("application", float(max(by_architecture.values(), default=0)), "unknown", "no figure for it here")


def ready_term(profile: ProfileSpec) -> Term:
    """`startup.readySeconds`: probes and webhooks between the application's start and readiness."""
    return Term("ready", float(profile.startup.ready_seconds), "prior")


def contention_term(node: NodeFacts, profile: ProfileSpec) -> Term:
    """`startup.contentionMillisecondsPerStart` for each pod that is starting on the node already."""
    seconds = node.starting * profile.startup.contention_milliseconds_per_start / 1000
    return Term("contention", seconds, "observed" if seconds else "prior")


def _left_of(window_seconds: int, began: float | None, now: float) -> float:
    """What is left of a window; it is whole where our clock is a little behind, and over where nobody knows of any."""
    if began is None or began - now > CLOCK_SKEW_SECONDS:
        return 0.0
    return max(0.0, window_seconds - max(0.0, now - began))


def settle_windows(node: NodeFacts, profile: ProfileSpec, now: float) -> Iterator[tuple[float | None, int, str]]:
    """Each reason not to trust containerd yet: since when, for how long, and why, in words.

    They overlap: the restart of a first installation is told a second time by whatever watches containerd.
    """
    yield node.containerd_restarted, profile.settle_seconds, "containerd was restarted"
    yield node.sandbox_failed, profile.settle_seconds, "sandboxes are failing here"
    installer = node.installer
    if installer is None:
        return
    if installer.started is None:
        if not installer.ready:
            yield now, profile.settle_seconds, "kata-deploy will restart containerd"
    elif _is_first_install(node, installer, installer.started):
        yield installer.started, profile.install_settle_seconds, "the runtime was installed"
    else:
        yield installer.started, profile.settle_seconds, "kata-deploy restarted containerd"


def _is_first_install(node: NodeFacts, installer: RuntimeInstaller, started: float) -> bool:
    """A first installation ends with the label; an upgrade's restart finds it there already."""
    if node.kata_labelled is not None:
        return node.kata_labelled >= started
    return installer.restarts == 0 and installer.created - node.created < FIRST_INSTALL_SECONDS


def _lacking(pod: PodNeeds, node: NodeFacts, profile: ProfileSpec, sizes: ImageSizes) -> dict[str, float]:
    """The images that must be pulled, each with its likelihood: 1, or `UNKNOWN_SHARE` where nobody can tell."""
    if profile.peer_pods.enabled:
        return dict.fromkeys(pod.images, 1.0)
    return {image: _absence(image, node, sizes) for image in pod.images if image not in node.images}


def _absence(image: str, node: NodeFacts, sizes: ImageSizes) -> float:
    """How surely an image that is not listed is not there.

    A cut-off report lists the largest images: what is larger than the smallest of them would have been listed.
    """
    if not node.images_reported:
        return UNKNOWN_SHARE
    if node.smallest_reported_bytes is None:
        return 1.0
    size = sizes.bytes_of(image, node.architecture)
    return 1.0 if size is not None and size > node.smallest_reported_bytes else UNKNOWN_SHARE


def _pull_note(lacking: int, pulls: int) -> str:
    images = "1 image" if lacking == 1 else f"{lacking} images"
    return images if pulls == lacking else f"{images} behind {pulls - lacking} other pulls"
