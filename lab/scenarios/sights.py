"""What a trial saw of its pods."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sight:
    """What became of one pod. Seconds are modelled ones, but for those whose name says `wall`."""

    name: str
    node: str | None
    architecture: str | None
    seconds: float | None
    """From the first attempt to create it to Ready; None where it was not ready when the trial ended."""

    kubelet_seconds: float | None
    """The part of it from the binding on."""

    bound_at: float | None
    """Moment of the binding, from the first arrival."""

    failed_sandboxes: int
    created_unix: float
    gate_wall_seconds: float
    """From its creation until its gates were gone, or until the trial's end."""

    is_gated: bool
    """Whether it still had a gate at the trial's end."""

    nominated_node: str
    """The node that was nominated last; empty for none."""

    stranded_wall_seconds: float
    """The longest time in which it was Unschedulable with a nomination on it."""

    is_stranded: bool
    """Whether it was so at the trial's end."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One mode's trial; `sights` in the order of the pods' arrival."""

    mode: str
    sights: tuple[Sight, ...]
    waited_seconds: float
    scene_seconds: float = 0.0
    """How long before the first arrival the scene was set: what happened to nodes `seconds_ago` is older by that."""

    first_launch_unix: float | None = None
    """When the autoscaler, if the story has one, launched its first machine."""

    complaints: tuple[str, ...] = ()
    """What kept the trial from being what the story says."""

    refused_creations: int = 0
    """Creations that had to be tried again, as while no webhook answers."""

    def seconds(self, sight: Sight) -> float:
        """To ready; of a pod that never was, the seconds waited, which flatters the mode."""
        return self.waited_seconds if sight.seconds is None else sight.seconds
