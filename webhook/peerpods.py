"""Peer pods: the sandbox is a virtual machine of the provider's, so a pod takes one of those from its node and no CPU.

What its containers ask for in CPU, memory and GPUs sizes the virtual machine instead. It moves into the annotations
that Kata hands to cloud-api-adaptor (its pkg/util reads vCPUs and GPUs as whole numbers, memory in MiB), added up by
Kubernetes' own rule. An annotation that the author wrote stays.

What was moved is kept in an annotation of ours. So a second look, after another webhook has added a sidecar, comes to
the same as a first look at both. And what a LimitRange fills in again, since the API server runs it once more after us,
does not replace what the author asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import msgspec

from model import names
from model.errors import InvalidInput
from model.profiles import PeerPods, ProfileSpec
from model.quantities import amount
from model.resources import ContainerRequests, pod_amounts
from webhook.patch import Operation, put
from webhook.pods import Pod, Quantities, Resources

KIND: Final = "peer-pod"
VM: Final = "kata.peerpods.io/vm"
"""The extended resource of which a node has as many as it may run virtual machines."""

GPU: Final = "nvidia.com/gpu"
MOVED: Final = ("cpu", "memory", GPU)

VCPUS: Final = "io.katacontainers.config.hypervisor.default_vcpus"
MEMORY_MEBIBYTES: Final = "io.katacontainers.config.hypervisor.default_memory"
GPUS: Final = "io.katacontainers.config.hypervisor.default_gpus"
MACHINE_TYPE: Final = "io.katacontainers.config.hypervisor.machine_type"
INSTANCE_TYPE: Final = "kata.peerpods.io/instance_type"
"""What the first releases of the adaptor's webhook wrote; `MACHINE_TYPE` is what the adaptor reads since."""

TYPES: Final = frozenset({MACHINE_TYPE, INSTANCE_TYPE})

_MEBIBYTE: Final = 1024**2


class _Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Quantities that were moved, from a container or from the pod as a whole."""

    limits: dict[str, str] = msgspec.field(default_factory=dict)
    requests: dict[str, str] = msgspec.field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.limits or self.requests)


class _Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`containers` by name, sidecars and init containers among them; `written` are annotations of ours."""

    containers: dict[str, _Asked] = msgspec.field(default_factory=dict)
    pod: _Asked = _Asked()
    written: dict[str, str] = msgspec.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PeerForm:
    """What is to be changed; nothing where the pod is no peer pod, or is one already."""

    operations: list[Operation] = field(default_factory=list)
    annotations: Mapping[str, str] = field(default_factory=dict)


def is_peer_pod(pod: Pod, profile: ProfileSpec) -> bool:
    """Whether the pod ends up with the profile's class; where the profile has none, with a class of its own."""
    named, wanted = pod.spec.runtime_class_name or None, profile.runtime_class_name
    if wanted is None:
        return profile.peer_pods.enabled and named is not None
    return profile.peer_pods.enabled and named in (None, wanted)


def take_peer_form(pod: Pod, profile: ProfileSpec) -> PeerForm:
    """The pod's peer form. Quantities that the API server is going to refuse are left where it will see them."""
    if is_peer_pod(pod, profile):
        for before in (_record_of(pod), _Record()):  # one with quantities that are none is somebody else's
            with suppress(InvalidInput):
                return _peer_form(pod, profile.peer_pods, before)
    return PeerForm()


def _peer_form(pod: Pod, peer_pods: PeerPods, before: _Record) -> PeerForm:
    asked = {item.name: _asked(item.resources, before.containers.get(item.name)) for item in pod.spec.all_containers}
    of_pod = _asked(pod.spec.resources, before.pod)
    written = _unless_the_authors(pod, before, _annotations(_amounts(pod, asked, of_pod), peer_pods))
    record = _Record({name: item for name, item in asked.items() if item}, of_pod, written)
    text = msgspec.json.encode(record, order="deterministic").decode()
    return PeerForm(list(_reduced(pod)), {**written, names.PEER_POD_ANNOTATION: text})


def _record_of(pod: Pod) -> _Record:
    """What an earlier look wrote down; an annotation that is not ours counts as none, and is replaced."""
    text = (pod.metadata.annotations or {}).get(names.PEER_POD_ANNOTATION, "{}")
    try:
        return msgspec.json.decode(text, type=_Record)
    except (msgspec.MsgspecError, RecursionError):
        return _Record()


def _asked(present: Resources | None, recorded: _Asked | None) -> _Asked:
    """What was asked for at first; what stands there since is a default's, not the author's."""
    if recorded:
        return recorded
    resources = present or Resources()
    return _Asked(_moved(resources.limits), _moved(resources.requests))


def _moved(quantities: Quantities | None) -> dict[str, str]:
    return {name: str(text) for name, text in (quantities or {}).items() if name in MOVED}


def _amounts(pod: Pod, asked: Mapping[str, _Asked], of_pod: _Asked) -> dict[str, int]:
    """What the virtual machine must have, by resource; raises InvalidInput.

    Kubernetes' rule for effective requests (PodRequests of k8s.io/component-helpers: init containers at their worst,
    each beside the sidecars before it; the pod's own figures before its containers'; the runtime class's overhead on
    top of what is not zero), applied to each container's limit, or to its request where it has no limit.
    """
    containers = [
        ContainerRequests(_wanted(asked[item.name]), is_init=True, is_sidecar=item.restart_policy == "Always")
        for item in pod.spec.init_containers or ()
    ]
    containers += [ContainerRequests(_wanted(asked[item.name])) for item in pod.spec.containers or ()]
    amounts = dict(pod_amounts(containers))
    for name, text in _wanted(of_pod).items():
        least = 0 if name in of_pod.limits else amounts.get(name, 0)
        amounts[name] = max(least, amount(name, text))
    for name, quantity in (pod.spec.overhead or {}).items():
        if amounts.get(name):
            amounts[name] += amount(name, str(quantity))
    return amounts


def _wanted(asked: _Asked) -> dict[str, str]:
    """The limits, and requests where there is none; raises InvalidInput for what the API server would refuse."""
    for name, text in asked.requests.items():
        if name in asked.limits and amount(name, text) > amount(name, asked.limits[name]):
            raise InvalidInput(f"{name}: a request of {text} is beyond its limit of {asked.limits[name]}")
    return {**asked.requests, **asked.limits}


def _annotations(amounts: Mapping[str, int], peer_pods: PeerPods) -> dict[str, str]:
    """Rounded up to what the adaptor counts in; nothing for what nobody asked for."""
    sizes = {
        VCPUS: -(-amounts.get("cpu", 0) // 1_000),
        MEMORY_MEBIBYTES: -(-amounts.get("memory", 0) // _MEBIBYTE),
        GPUS: amounts.get(GPU, 0),
    }
    annotations = {name: str(size) for name, size in sizes.items() if size}
    if peer_pods.instance_type is not None:
        annotations |= dict.fromkeys(sorted(TYPES), peer_pods.instance_type)
    return annotations


def _unless_the_authors(pod: Pod, before: _Record, annotations: Mapping[str, str]) -> dict[str, str]:
    """Without those that stand in the pod already and were not put there by an earlier look.

    An author who names the type by one of its annotations has named it altogether.
    """
    present = pod.metadata.annotations or {}
    authors = {name for name, value in present.items() if before.written.get(name) != value}
    if authors & TYPES:
        authors |= TYPES
    return {name: value for name, value in annotations.items() if name not in authors}


def _reduced(pod: Pod) -> Iterator[Operation]:
    """Takes what was moved out of every container and the pod; the first container carries the virtual machine."""
    spec = pod.spec
    for index, container in enumerate(spec.init_containers or ()):
        yield from _without_moved(("spec", "initContainers", index, "resources"), container.resources, {})
    for index, container in enumerate(spec.containers or ()):
        carried = {VM: "1"} if index == 0 else {}
        yield from _without_moved(("spec", "containers", index, "resources"), container.resources, carried)
    yield from _without_moved(("spec", "resources"), spec.resources, {})


def _without_moved(
    path: tuple[str | int, ...], resources: Resources | None, carried: Mapping[str, str]
) -> Iterator[Operation]:
    if resources is None:
        if carried:
            yield put(KIND, path, None, {"limits": dict(carried), "requests": dict(carried)})
        return
    for member, present in (("limits", resources.limits), ("requests", resources.requests)):
        left: Quantities = {name: text for name, text in (present or {}).items() if name not in (*MOVED, VM)}
        left |= carried
        if left != (present or {}):
            yield put(KIND, (*path, member), present, left)
