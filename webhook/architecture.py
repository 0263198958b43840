"""The architecture that the profile prefers or requires, where the pod's author has not spoken about it."""

from __future__ import annotations

from typing import Any, Final

from model.names import ARCHITECTURE_LABEL
from model.profiles import ProfileSpec
from webhook.patch import Operation, append, put, put_entries
from webhook.pods import NodeSelectorTerm, Pod, PodSpec, Requirement

KIND: Final = "architecture"
WEIGHT: Final = 100
_PREFERRED: Final = "preferredDuringSchedulingIgnoredDuringExecution"


def place_by_architecture(pod: Pod, profile: ProfileSpec) -> list[Operation]:
    """Prefer adds a preferred affinity term of the greatest weight; Require, an entry of nodeSelector.

    kube-scheduler ANDs nodeSelector with the required affinity terms, however many of those the pod has.
    """
    policy, preferred = profile.architecture.policy, profile.architecture.preferred
    if policy == "Prefer" and not _speaks_of_architecture(pod.spec):
        return _prefer(pod.spec, preferred)
    if policy == "Require" and not conflicts_with_architecture(pod, profile):
        selector = pod.spec.node_selector
        if (selector or {}).get(ARCHITECTURE_LABEL) != preferred:
            return put_entries(KIND, ("spec", "nodeSelector"), selector, {ARCHITECTURE_LABEL: preferred})
    return []


def conflicts_with_architecture(pod: Pod, profile: ProfileSpec) -> bool:
    """Whether the profile requires an architecture that the pod itself rules out: with both it could run nowhere."""
    if profile.architecture.policy != "Require":
        return False
    preferred = profile.architecture.preferred
    if (pod.spec.node_selector or {}).get(ARCHITECTURE_LABEL, preferred) != preferred:
        return True
    affinity = pod.spec.node_affinity
    terms = affinity.required_terms if affinity else ()
    return bool(terms) and not any(_admits(term, preferred) for term in terms)


def _speaks_of_architecture(spec: PodSpec) -> bool:
    if ARCHITECTURE_LABEL in (spec.node_selector or {}):
        return True
    affinity = spec.node_affinity
    if affinity is None:
        return False
    terms = [*affinity.required_terms, *(item.preference for item in affinity.preferred or () if item.preference)]
    return any(expression.key == ARCHITECTURE_LABEL for term in terms for expression in term.match_expressions or ())


def _admits(term: NodeSelectorTerm, architecture: str) -> bool:
    return all(
        _matches(expression, architecture)
        for expression in term.match_expressions or ()
        if expression.key == ARCHITECTURE_LABEL
    )


def _matches(expression: Requirement, architecture: str) -> bool:
    values = expression.values or ()
    match expression.operator:
        case "In":
            return architecture in values
        case "NotIn":
            return architecture not in values
        case "Exists":
            return True
        case _:
            return False


def _prefer(spec: PodSpec, architecture: str) -> list[Operation]:
    expression = {"key": ARCHITECTURE_LABEL, "operator": "In", "values": [architecture]}
    term: dict[str, Any] = {"weight": WEIGHT, "preference": {"matchExpressions": [expression]}}
    if spec.affinity is None:
        return [put(KIND, ("spec", "affinity"), None, {"nodeAffinity": {_PREFERRED: [term]}})]
    if spec.affinity.node_affinity is None:
        return [put(KIND, ("spec", "affinity", "nodeAffinity"), None, {_PREFERRED: [term]})]
    path = ("spec", "affinity", "nodeAffinity", _PREFERRED)
    return append(KIND, path, spec.affinity.node_affinity.preferred, [term])
