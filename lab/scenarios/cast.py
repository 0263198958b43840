"""A story's pods: as manifests for the trials, and as candidates for the omniscient placement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from lab.constants import Constants
from lab.scenarios.arrivals import arrivals
from lab.scenarios.laws import Candidate, Container
from lab.stories import Cordon, Story
from lab.workload import TENANT_NAMESPACE, Manifest, tenant_pod
from model.images import canonical_image

NEVER_PREEMPTS: Final = "lab-never-preempts"
"""A PriorityClass: its pods keep a nomination that the scheduler would have cleared."""

PRIORITY_CLASS: Final[Manifest] = {
    "apiVersion": "scheduling.k8s.io/v1",
    "kind": "PriorityClass",
    "metadata": {"name": NEVER_PREEMPTS},
    "value": 0,
    "preemptionPolicy": "Never",
}


@dataclass(frozen=True, slots=True)
class Role:
    """One pod of the story."""

    manifest: Manifest
    candidate: Candidate

    @property
    def name(self) -> str:
        return self.candidate.name

    @property
    def arrival(self) -> float:
        return self.candidate.arrival


def cast(constants: Constants, name: str, story: Story) -> list[Role]:
    """In the order of their arrival; where nodes are cordoned, every second pod never preempts."""
    roles = []
    for number, arrival in enumerate(arrivals(story.pods, story.over_seconds, constants.seed, name)):
        manifest = tenant_pod(f"agent-{number:03}", constants)
        if isinstance(story, Cordon) and number % 2:
            manifest["spec"]["priorityClassName"] = NEVER_PREEMPTS
        init, main = (_container(manifest["spec"][key][0]) for key in ("initContainers", "containers"))
        candidate = Candidate(TENANT_NAMESPACE, manifest["metadata"]["name"], arrival, init, main)
        roles.append(Role(manifest, candidate))
    return roles


def _container(spec: dict[str, Any]) -> Container:
    """As every mode but the plain one writes it: what is there is not asked for again."""
    return Container(spec["name"], spec["image"], canonical_image(spec["image"]))
