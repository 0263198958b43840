"""What a profile changes in a new pod. Every function is pure, and has nothing left to do on a pod it has changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from model import names
from model.profiles import ProfileSpec, TenantProfile
from webhook.architecture import place_by_architecture
from webhook.patch import Operation, append, put, put_entries
from webhook.peerpods import take_peer_form
from webhook.pods import DEFAULT_SCHEDULER, Pod
from webhook.pulling import rewrite_pull_policies
from webhook.tolerations import add_tolerations

RUNTIME_CLASS: Final = "runtime-class"
SCHEDULING_GATES: Final = "scheduling-gates"
SCHEDULER_NAME: Final = "scheduler-name"
ANNOTATION: Final = "annotation"


def mutate(pod: Pod, profile: TenantProfile) -> list[Operation]:
    """All operations for a pod that is being created; none once they have been applied.

    A mirror pod is nobody's to change. A DaemonSet's pod has its node, chosen from the template, so a class, a gate or
    an architecture would only leave it Pending. A pod with a nodeName is not scheduled: what speaks to schedulers is
    left out, and the API server refuses gates on it.
    """
    if pod.is_mirror:
        return []
    spec = profile.spec
    operations = rewrite_pull_policies(pod, spec)
    if pod.is_of_daemon_set:
        return operations
    operations += fill_runtime_class(pod, spec)
    operations += add_tolerations(pod, spec)
    if not pod.spec.node_name:
        operations += add_gates(pod, spec)
        operations += name_scheduler(pod, spec)
        operations += place_by_architecture(pod, spec)
    peer = take_peer_form(pod, spec)
    operations += peer.operations
    operations += annotate(pod, {names.PROFILE_ANNOTATION: profile.name, **peer.annotations})
    return operations


def wrong_runtime_class(pod: Pod, profile: TenantProfile) -> str | None:
    """Why the pod cannot have this profile: it names a class other than the enforced one.

    Replacing it would mean taking back the overhead, node selector and tolerations that the RuntimeClass admission
    plugin has already added for the pod's own class; saying no is the honest form.
    """
    wanted, named = profile.spec.runtime_class_name, pod.spec.runtime_class_name
    if not named or named == wanted:
        return None
    if profile.spec.runtime_class_policy != "Enforce" or pod.is_mirror or pod.is_of_daemon_set:
        return None
    return (
        f"the pod names runtimeClassName {named!r}, but TenantProfile {profile.name!r} enforces {wanted!r}; "
        f"remove runtimeClassName from the pod, or set it to {wanted!r}"
    )


def fill_runtime_class(pod: Pod, profile: ProfileSpec) -> list[Operation]:
    """The class where the pod names none; the API server then adds the class's overhead by itself."""
    named = pod.spec.runtime_class_name
    if named or profile.runtime_class_name is None:
        return []
    return [put(RUNTIME_CLASS, ("spec", "runtimeClassName"), named, profile.runtime_class_name)]


def add_gates(pod: Pod, profile: ProfileSpec) -> list[Operation]:
    present = {gate.name for gate in pod.spec.scheduling_gates or ()}
    missing = [{"name": gate} for gate in dict.fromkeys(profile.scheduling_gates) if gate not in present]
    return append(SCHEDULING_GATES, ("spec", "schedulingGates"), pod.spec.scheduling_gates, missing)


def name_scheduler(pod: Pod, profile: ProfileSpec) -> list[Operation]:
    """The profile's scheduler, where the pod's author has chosen none: the default is filled in before we see it."""
    named, wanted = pod.spec.scheduler_name, profile.scheduler_name
    if wanted in (None, DEFAULT_SCHEDULER) or named not in (None, "", DEFAULT_SCHEDULER):
        return []
    return [put(SCHEDULER_NAME, ("spec", "schedulerName"), named, wanted)]


def annotate(pod: Pod, annotations: Mapping[str, str]) -> list[Operation]:
    return put_entries(ANNOTATION, ("metadata", "annotations"), pod.metadata.annotations, annotations)
