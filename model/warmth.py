"""When a node is warm: the handler works there, containerd has settled, the images of the profile are present."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from model.nodes import NodeFacts
from model.profiles import ProfileSpec
from model.runtime import RuntimeState, runtime_on
from model.terms import SANDBOX_RETRY_SECONDS, settle_term


@dataclass(frozen=True, slots=True)
class Warmth:
    """Whether a node is warm for one profile; `missing` says what it lacks, in the order it has to come."""

    warm: bool
    missing: tuple[str, ...] = ()


def warmth_of(node: NodeFacts, profile: ProfileSpec, handler: str, images: Iterable[str], now: float) -> Warmth:
    """The node's warmth for a profile whose runtime class names `handler` and whose pods use `images`."""
    runtime = runtime_on(node, handler, now)
    missing: list[str] = []
    if not node.ready:
        missing.append("the node is not ready")
    if runtime.state is not RuntimeState.PRESENT:
        missing.append(runtime.reason)
    settle = settle_term(node, runtime, profile, now)
    if settle.seconds > 0:
        missing.append(f"{settle.note}; {settle.seconds - SANDBOX_RETRY_SECONDS:.0f} s to settle")
    lacking = sorted(image for image in images if image not in node.images)
    if lacking:
        missing.append("image " + ", ".join(lacking))
    return Warmth(not missing, tuple(missing))
