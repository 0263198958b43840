"""A gate, or a scheduler of ours, is written into a pod only while somebody is seen to attend to it.

Nobody opens a gate while no controller runs, and nobody binds the pods of a scheduler that is gone. Each has a Lease;
while that is not seen to be renewed, the pod is let in without it, and told so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from model import names
from model.profiles import TenantProfile
from webhook.advice import Advice

GATE_LEASES: Final[Mapping[str, str]] = {names.WARM_NODE_GATE: names.CONTROLLERS_LEASE}
SCHEDULER_LEASES: Final[Mapping[str, str]] = {names.SCHEDULER: names.SCHEDULER}


def leases_behind(profiles: Iterable[TenantProfile]) -> set[str]:
    """The Leases on which it depends what these profiles' pods get."""
    specs = [profile.spec for profile in profiles]
    gates = {GATE_LEASES[gate] for spec in specs for gate in spec.scheduling_gates if gate in GATE_LEASES}
    schedulers = {spec.scheduler_name or "" for spec in specs}
    return gates | {SCHEDULER_LEASES[scheduler] for scheduler in schedulers if scheduler in SCHEDULER_LEASES}


def attended(profile: TenantProfile, is_attended: Callable[[str], bool]) -> tuple[TenantProfile, tuple[Advice, ...]]:
    """The profile without what nobody attends to now, and what to tell about it. `is_attended` takes a Lease's name."""
    spec, advice = profile.spec, []
    idle = [gate for gate in spec.scheduling_gates if not _is_served(gate, GATE_LEASES, is_attended)]
    if idle:
        kept = tuple(gate for gate in spec.scheduling_gates if gate not in idle)
        spec = spec.model_copy(update={"scheduling_gates": kept})
        advice.append(Advice("gate-unattended", f"no controller of Stoker is running; gate {idle[0]} is left out"))
    scheduler = spec.scheduler_name
    if scheduler is not None and not _is_served(scheduler, SCHEDULER_LEASES, is_attended):
        spec = spec.model_copy(update={"scheduler_name": None})
        advice.append(Advice("scheduler-unattended", f"{scheduler} is not running; the pod keeps its own scheduler"))
    if spec is profile.spec:
        return profile, ()
    return profile.model_copy(update={"spec": spec}), tuple(advice)


def _is_served(name: str, leases: Mapping[str, str], is_attended: Callable[[str], bool]) -> bool:
    """What is not Stoker's has no Lease that we know of, and is its owner's to attend to."""
    lease = leases.get(name)
    return lease is None or is_attended(lease)
