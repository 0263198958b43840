"""Warnings to whoever creates a pod: what it asks for that a Kata sandbox cannot give, or the profile cannot have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from model.profiles import TenantProfile
from webhook.architecture import conflicts_with_architecture
from webhook.peerpods import is_peer_pod
from webhook.pods import Container, Pod

KATA_PREFIX: Final = "kata"
_MAX_NAME: Final = 63


@dataclass(frozen=True, slots=True)
class Advice:
    """`text` stays below the 120 characters that the API asks for; `kind` is for metrics."""

    kind: str
    text: str


def advise(pod: Pod, profile: TenantProfile) -> tuple[Advice, ...]:
    """Each kind at most once, for the first container it concerns."""
    found: list[Advice] = []
    if conflicts_with_architecture(pod, profile.spec) and not pod.spec.node_name and not pod.is_of_daemon_set:
        wanted = profile.spec.architecture.preferred[:_MAX_NAME]
        found.append(Advice("architecture", f"the pod rules out {wanted}, which its profile requires"))
    if _runtime_class(pod, profile).startswith(KATA_PREFIX):
        found.extend(_beyond_kata(pod))
    if is_peer_pod(pod, profile.spec) and not pod.is_of_daemon_set:
        found.extend(_beyond_peer_pods(pod))
    return tuple(found)


def _runtime_class(pod: Pod, profile: TenantProfile) -> str:
    """The class the pod ends up with."""
    if pod.spec.runtime_class_name:
        return pod.spec.runtime_class_name
    return "" if pod.is_of_daemon_set else profile.spec.runtime_class_name or ""


def _beyond_kata(pod: Pod) -> list[Advice]:
    spec = pod.spec
    devices = frozenset(
        volume.name for volume in spec.volumes or () if volume.host_path and _is_device(volume.host_path.path or "")
    )
    sharing = (
        ("host-network", spec.host_network, "hostNetwork does not work with Kata: a sandbox has its own network"),
        ("host-pid", spec.host_pid, "hostPID does not work with Kata: a sandbox has its own processes"),
        ("host-ipc", spec.host_ipc, "hostIPC does not work with Kata: a sandbox has its own memory"),
    )
    containers = spec.all_containers
    found = [Advice(kind, text) for kind, asked, text in sharing if asked]
    for kind, concerns, text in (
        ("privileged", _is_privileged, "privileged ends at the Kata VM's border"),
        ("host-device", lambda it: _mounts_any(it, devices), "Kata does not mount the node's devices"),
        ("volume-device", lambda it: bool(it.volume_devices), "volumeDevices depend on Kata's hypervisor"),
        ("sub-path", _mounts_sub_path, "subPath is limited with Kata"),
    ):
        first = _first(containers, concerns)
        if first is not None:
            found.append(Advice(kind, f'container "{first.name[:_MAX_NAME]}": {text}'))
    return found


def _beyond_peer_pods(pod: Pod) -> list[Advice]:
    """CPU and memory have moved, and huge pages without either are refused by the API server."""
    first = _first(pod.spec.all_containers, _asks_for_huge_pages)
    if first is None:
        return []
    return [Advice("huge-pages", f'container "{first.name[:_MAX_NAME]}": a peer pod has no huge pages')]


def _first(containers: tuple[Container, ...], concerns: Callable[[Container], bool]) -> Container | None:
    for container in containers:
        if concerns(container):
            return container
    return None


def _is_privileged(container: Container) -> bool:
    return container.security_context is not None and bool(container.security_context.privileged)


def _mounts_any(container: Container, volumes: frozenset[str]) -> bool:
    return bool(volumes) and any(mount.name in volumes for mount in container.volume_mounts or ())


def _asks_for_huge_pages(container: Container) -> bool:
    limits = container.resources.limits if container.resources else None
    return any(name.startswith("hugepages-") for name in limits or ())


def _mounts_sub_path(container: Container) -> bool:
    return any(mount.sub_path or mount.sub_path_expr for mount in container.volume_mounts or ())


def _is_device(path: str) -> bool:
    return path == "/dev" or path.startswith("/dev/")
