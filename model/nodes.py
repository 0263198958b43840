"""What of a node decides how long a pod's start takes there.

Instants are seconds of the clock that `now` comes from; an instant read from the API, whose times are cut to whole
seconds, is given as the latest moment it can mean. `None` always means that it is not known.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

REPORTED_IMAGES_LIMIT = 50
"""A kubelet reports its 50 largest images by default (nodeStatusMaxImages)."""


@dataclass(frozen=True, slots=True)
class RuntimeInstaller:
    """kata-deploy's pod on a node: while it is not ready, the runtime is on its way."""

    created: float
    started: float | None = None
    """When its container last started, which restarts containerd; None while it has not."""

    ready: bool = False
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """One node as the forecast sees it."""

    name: str
    architecture: str = ""
    created: float = 0.0
    ready: bool | None = None
    schedulable: bool = True

    handlers: frozenset[str] | None = None
    """Runtime handlers the kubelet reports; None when it reports none at all (older kubelets and runtimes)."""

    kata_label: str | None = None
    kata_labelled: float | None = None
    """When the label was last set, from managedFields: the end of the first installation."""

    installer: RuntimeInstaller | None = None
    containerd_restarted: float | None = None
    """The last restart that something other than the installer's pod tells of (annotation, event)."""

    sandbox_failed: float | None = None
    """When a sandbox last failed here."""

    sandbox_failing_since: float | None = None
    """When a sandbox of that pod first failed here."""

    images: frozenset[str] = field(default_factory=frozenset)
    """Canonical names of the images known to be present: reported, or in use by a running container."""

    smallest_reported_bytes: int | None = None
    """Size of the smallest image reported where the report is cut off at its limit; None where it is complete."""

    images_reported: bool = True
    """False where the kubelet reports no images at all."""

    pulling: frozenset[str] = field(default_factory=frozenset)
    """Images that pods bound here are waiting for."""

    starting: float = 0.0
    """Pods bound here, or expected to be bound here in a moment, that are not ready yet."""

    def with_more_starting(self, pods: float) -> NodeFacts:
        """The same node with so many more starts, or fewer where negative; there are never less than none."""
        return replace(self, starting=max(0.0, self.starting + pods)) if pods else self
