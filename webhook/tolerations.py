"""Tolerations: the profile's, where the pod does not tolerate as much already."""

from __future__ import annotations

from typing import Any, Final

from model import profiles
from model.profiles import ProfileSpec
from webhook.patch import Operation, append
from webhook.pods import Pod, Toleration

KIND: Final = "tolerations"


def add_tolerations(pod: Pod, profile: ProfileSpec) -> list[Operation]:
    """The pod's own come first and stay as they are; the profile's follow in its order."""
    held = list(pod.spec.tolerations or ())
    added: list[dict[str, Any]] = []
    for wanted in profile.tolerations:
        toleration = _of_pod(wanted)
        if not any(covers(other, toleration) for other in held):
            held.append(toleration)
            added.append(_on_the_wire(wanted))
    return append(KIND, ("spec", "tolerations"), pod.spec.tolerations, added)


def covers(broader: Toleration, narrower: Toleration) -> bool:
    """Whether every taint that `narrower` tolerates is tolerated as long by `broader`.

    The rules are those of isSuperset in Kubernetes' pkg/util/tolerations.
    """
    exists = broader.operator == "Exists"
    if (broader.key or "") != (narrower.key or "") and not (exists and not broader.key):
        return False
    if broader.effect and broader.effect != narrower.effect:
        return False
    seconds = broader.toleration_seconds
    if seconds is not None and (narrower.toleration_seconds is None or narrower.toleration_seconds > seconds):
        return False
    if exists:
        return True
    if (broader.operator or "Equal") != (narrower.operator or "Equal"):
        return False
    return (broader.value or "") == (narrower.value or "")


def _of_pod(wanted: profiles.Toleration) -> Toleration:
    return Toleration(wanted.key, wanted.operator, wanted.value, wanted.effect, wanted.toleration_seconds)


def _on_the_wire(wanted: profiles.Toleration) -> dict[str, Any]:
    members = {
        "key": wanted.key,
        "operator": wanted.operator,
        "value": wanted.value,
        "effect": wanted.effect,
        "tolerationSeconds": wanted.toleration_seconds,
    }
    return {name: value for name, value in members.items() if value not in ("", None)}
