"""Builders for the scenarios' tests: machines, pods, sights, findings, cases."""

from __future__ import annotations

from typing import Any

from lab.constants import Constants, load_constants, scenarios_of
from lab.scenarios.laws import Candidate, Container
from lab.scenarios.machines import Machine
from lab.scenarios.modes import MODES
from lab.scenarios.omniscience import Placement
from lab.scenarios.sights import Finding, Sight
from lab.scenarios.verdicts import Case
from lab.stories import Story
from model.images import canonical_image

APPLICATION = "ghcr.io/openclaw/openclaw:2026.3.1"
RESTORE = "public.ecr.aws/aws-cli/aws-cli:2.34.1"
IMAGES = frozenset((canonical_image(APPLICATION), canonical_image(RESTORE)))


def constants(**changes: dict[str, Any]) -> Constants:
    """The shipped ones without chance, and with these keys of their tables changed."""
    document = load_constants().model_dump()
    document["noise"]["sigma"] = 0
    document["sandbox"]["retry_jitter"] = 0
    for table, keys in changes.items():
        document[table] |= keys
    return Constants.model_validate(document)


def story(name: str) -> Story:
    return scenarios_of(load_constants()).stories()[name]


def machine(name: str = "warm-1", **fields: Any) -> Machine:
    """Warm, with both images, unless the fields say otherwise."""
    return Machine(
        **{"name": name, "architecture": "amd64", "disk_factor": 1.0, "images": IMAGES, "slots": 12, **fields}
    )


def candidate(name: str = "agent-000", arrival: float = 0.0, **fields: Any) -> Candidate:
    init, main = (
        Container(word, image, canonical_image(image), **fields)
        for word, image in (("restore", RESTORE), ("agent", APPLICATION))
    )
    return Candidate("tenant-a", name, arrival, init, main)


def candidates(*arrivals: float) -> list[Candidate]:
    return [candidate(f"agent-{number:03}", arrival) for number, arrival in enumerate(arrivals)]


def sight(name: str = "agent-000", seconds: float | None = 43.0, **fields: Any) -> Sight:
    usual: dict[str, Any] = {
        "node": "warm-1",
        "architecture": "amd64",
        "kubelet_seconds": seconds,
        "bound_at": 0.0,
        "failed_sandboxes": 0,
        "created_unix": 1_000.0,
        "gate_wall_seconds": 0.0,
        "is_gated": False,
        "nominated_node": "",
        "stranded_wall_seconds": 0.0,
        "is_stranded": False,
    }
    return Sight(**{"name": name, "seconds": seconds, **usual, **fields})


def finding(mode: str, *sights: Sight, waited: float = 600.0, **fields: Any) -> Finding:
    return Finding(mode, sights, waited, **fields)


def whole(*findings: Finding, seconds: float = 143.0, **fields: Any) -> Case:
    """The same with the modes that were not given, one pod in each, ready after so many seconds."""
    given = {item.mode: item for item in findings}
    return case(*(given.get(mode.name, finding(mode.name, sight(seconds=seconds))) for mode in MODES), **fields)


def case(*findings: Finding, least: tuple[float, ...] = (43.0,), name: str = "mixed-fleet") -> Case:
    """Held against an omniscient placement of these seconds."""
    return Case(
        name=name,
        story=story(name),
        seed=1,
        speed=20.0,
        max_hold_seconds=120.0,
        findings={item.mode: item for item in findings},
        omniscient=Placement(("warm-1",) * len(least), least, sum(least) / len(least)),
    )
