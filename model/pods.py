"""What of a pod decides how long its start takes on a node."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PodNeeds:
    """The demand of one pod; two pods with equal needs have equal forecasts everywhere, so this is also a cache key."""

    handler: str
    """The runtime handler its RuntimeClass names; empty for the node's default runtime."""

    images: tuple[str, ...]
    """Canonical names of the images it needs, each once, in the order the kubelet pulls them."""

    has_init_containers: bool = False


def needs(handler: str, images: tuple[str, ...], *, has_init_containers: bool = False) -> PodNeeds:
    """A demand from canonical images as they stand in the pod, repeats allowed."""
    return PodNeeds(handler, tuple(dict.fromkeys(images)), has_init_containers)
