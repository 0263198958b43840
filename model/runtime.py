"""Whether a runtime handler works on a node, is on its way there, or will never be.

The kubelet's report (`node.status.runtimeHandlers`) outranks the Kata label wherever both exist: a label without a
handler is an installation that has not finished, or that somebody undid. Where kubelet reports no handlers at all, the
label is the best there is. kata-deploy (since 4.1) sets the label to "false", copies its artifacts, restarts
containerd, waits up to 120 s for its handlers to be reported, and sets the label to "true".
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from model.nodes import NodeFacts

INSTALL_SECONDS: Final = 60.0
"""kata-deploy from a node's readiness to containerd's restart: 58 s of image pull, 2 s of work (first seed)."""

HANDLER_WAIT_SECONDS: Final = 120.0
"""How long after kata-deploy's start, or its label, a handler that is not reported is still expected."""

OVERDUE_LEAST_SECONDS: Final = 5.0
OVERDUE_MOST_SECONDS: Final = 300.0


class RuntimeState(StrEnum):
    PRESENT = "present"
    INSTALLING = "installing"
    ABSENT = "absent"
    UNKNOWN = "unknown"


class RuntimeVerdict(msgspec.Struct, frozen=True, gc=False):
    """What is known of a handler on a node; `reason` is one of a few constant sentences."""

    state: RuntimeState
    reason: str


_DEFAULT = RuntimeVerdict(RuntimeState.PRESENT, "the node's default runtime")
_REPORTED = RuntimeVerdict(RuntimeState.PRESENT, "the kubelet reports the handler")
_LABELLED = RuntimeVerdict(RuntimeState.PRESENT, "the kubelet reports no handlers; the Kata label says it is installed")
_INSTALLING = RuntimeVerdict(RuntimeState.INSTALLING, "kata-deploy is installing the runtime")
_UNREPORTED = RuntimeVerdict(RuntimeState.UNKNOWN, "the kubelet reports no handlers and nothing is labelled")
_BOOTING = RuntimeVerdict(RuntimeState.UNKNOWN, "the node is not ready, so its report may not be complete")
ABSENT: Final = RuntimeVerdict(RuntimeState.ABSENT, "the runtime handler is absent and nothing says that it is coming")
"""The only verdict of its state."""


def runtime_on(node: NodeFacts, handler: str, now: float) -> RuntimeVerdict:
    """The state of `handler` (empty for the default runtime) on `node` at `now`."""
    if not handler:
        return _DEFAULT
    if node.handlers is not None and handler in node.handlers:
        return _REPORTED
    if handler.startswith("kata"):
        if node.handlers is None and node.kata_label == "true":
            return _LABELLED
        if _kata_is_coming(node, now):
            return _INSTALLING
    if node.ready is not True:
        return _BOOTING
    return _UNREPORTED if node.handlers is None else ABSENT


def installing_since(node: NodeFacts) -> float:
    """When an installation that is under way began, as far as the node tells."""
    return node.installer.created if node.installer else node.created


def seconds_until_installed(node: NodeFacts, now: float) -> float:
    """What is left of an installation that is under way."""
    return seconds_left(INSTALL_SECONDS, now - installing_since(node))


def seconds_left(expected: float, elapsed: float) -> float:
    """What is left of something that takes `expected` seconds and began `elapsed` seconds ago.

    What is overdue is forecast to take as long again as it is overdue (5 s at least, 5 minutes at most): the longer
    a thing has not happened, the less is to be expected of the next moment. What seems to begin in the future, because
    our clock is behind, begins now.
    """
    elapsed = max(0.0, elapsed)
    if expected - elapsed >= OVERDUE_LEAST_SECONDS:
        return expected - elapsed
    return min(max(elapsed - expected, OVERDUE_LEAST_SECONDS), OVERDUE_MOST_SECONDS)


def _kata_is_coming(node: NodeFacts, now: float) -> bool:
    if node.kata_label == "false":
        return True
    if node.kata_label == "true" and _is_recent(node.kata_labelled, now):
        return True
    installer = node.installer
    return installer is not None and (not installer.ready or _is_recent(installer.started, now))


def _is_recent(instant: float | None, now: float) -> bool:
    return instant is not None and now - instant < HANDLER_WAIT_SECONDS
