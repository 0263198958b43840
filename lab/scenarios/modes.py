"""The ways in which a story's pods are placed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Final

from lab.simulation.fleet import Care
from lab.workload import Manifest
from model import names
from model.errors import InvalidInput
from model.names import ARCHITECTURE_LABEL

DEFAULT_SCHEDULER: Final = "default-scheduler"
TUNED_SCHEDULER: Final = "tuned-scheduler"
OMNISCIENT: Final = "omniscient"
"""The mode that is computed, not run."""

TUNED_CONFIGURATION: Final[Mapping[str, Any]] = {
    "profiles": [
        {
            "schedulerName": TUNED_SCHEDULER,
            "plugins": {
                "score": {
                    "disabled": [{"name": "ImageLocality"}],
                    "enabled": [{"name": "ImageLocality", "weight": 10}],
                }
            },
        }
    ]
}
"""kube-scheduler with its only means against cold nodes turned up: ImageLocality counts ten times its default."""


@dataclass(frozen=True, slots=True)
class Mode:
    """One way."""

    name: str
    scheduler: str = DEFAULT_SCHEDULER
    """Who binds the pods."""

    profile: Mapping[str, Any] | None = None
    """What the TenantProfile says of schedulers and gates; None where the namespace does not opt in."""

    care: Care = field(default_factory=Care)

    @property
    def nominates(self) -> bool:
        return bool(self.profile and self.profile["schedulingGates"])

    def pod(self, manifest: Manifest) -> Manifest:
        """The manifest as it is created in this mode."""
        return _tuned(manifest) if self.name == "tuned" else manifest


CAREFUL: Final = Care(class_selects_label=True, startup_taint="lab.stoker.dev/kata")
"""What a careful engineer does to a cluster, whether Stoker is to come there or not."""

PLAIN: Final = Mode("plain")
TUNED: Final = Mode("tuned", TUNED_SCHEDULER, care=CAREFUL)
EXTENDER: Final = Mode(
    "extender", names.SCHEDULER, {"schedulerName": names.SCHEDULER, "schedulingGates": []}, care=CAREFUL
)
NOMINATION: Final = Mode("nomination", profile={"schedulingGates": [names.WARM_NODE_GATE]}, care=CAREFUL)
MODES: Final = (PLAIN, TUNED, EXTENDER, NOMINATION)


def chosen(wanted: Sequence[str] | None) -> tuple[Mode, ...]:
    """The modes of these names, all where none is named; InvalidInput where one does not exist."""
    known = {mode.name: mode for mode in MODES}
    for name in wanted or ():
        if name not in known:
            raise InvalidInput(f"there is no mode {name!r}; choose some of {', '.join(known)}")
    return tuple(mode for mode in MODES if not wanted or mode.name in wanted)


def _tuned(manifest: Manifest) -> Manifest:
    """As a careful engineer writes it: cached images are used, amd64 is preferred, and the scheduler minds images."""
    pod = deepcopy(manifest)
    spec = pod["spec"]
    for container in (*spec.get("initContainers", ()), *spec["containers"]):
        container["imagePullPolicy"] = "IfNotPresent"
    wanted = {"key": ARCHITECTURE_LABEL, "operator": "In", "values": ["amd64"]}
    preference = {"weight": 100, "preference": {"matchExpressions": [wanted]}}
    spec["affinity"] = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [preference]}}
    spec["schedulerName"] = TUNED_SCHEDULER
    return pod
