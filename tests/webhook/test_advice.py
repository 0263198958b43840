"""Warnings: what Kata cannot do, each kind once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import container, pod, profile
from tests.webhook.patching import read_pod
from webhook.advice import advise

KATA = profile(runtimeClassName="kata-qemu", runtimeClassPolicy="Enforce")
PRIVILEGED: dict[str, Any] = {"securityContext": {"privileged": True}}


def kinds(manifest: dict[str, Any]) -> list[str]:
    return [advice.kind for advice in advise(read_pod(manifest), KATA)]


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        (pod(), []),
        (pod(hostNetwork=True), ["host-network"]),
        (pod(hostPID=True), ["host-pid"]),
        (pod(hostIPC=True), ["host-ipc"]),
        (pod("p", container(**PRIVILEGED)), ["privileged"]),
        (pod("p", container(), initContainers=[container("init", **PRIVILEGED)]), ["privileged"]),
        (pod("p", container("a", **PRIVILEGED), container("b", **PRIVILEGED)), ["privileged"]),
        (pod("p", container(volumeDevices=[{"name": "raw", "devicePath": "/dev/xvda"}])), ["volume-device"]),
        (pod("p", container(volumeMounts=[{"name": "v", "mountPath": "/v", "subPath": "s"}])), ["sub-path"]),
        (pod("p", container(volumeMounts=[{"name": "v", "mountPath": "/v", "subPathExpr": "$(X)"}])), ["sub-path"]),
        (
            pod(
                "p",
                container(volumeMounts=[{"name": "kvm", "mountPath": "/dev/kvm"}]),
                volumes=[{"name": "kvm", "hostPath": {"path": "/dev/kvm"}}],
            ),
            ["host-device"],
        ),
        (
            pod(
                "p",
                container(volumeMounts=[{"name": "log", "mountPath": "/dev/log"}]),
                volumes=[
                    {"name": "log", "hostPath": {"path": "/devices"}},
                    {"name": "d", "hostPath": {"path": "/dev"}},
                ],
            ),
            [],
        ),
    ],
)
def test_what_kata_cannot_do_is_named_once(manifest: dict[str, Any], expected: list[str]) -> None:
    assert kinds(manifest) == expected


def test_other_runtimes_get_no_advice() -> None:
    lenient = profile(runtimeClassName="kata-qemu", runtimeClassPolicy="Default")
    assert advise(read_pod(pod(hostNetwork=True, runtimeClassName="gvisor")), lenient) == ()


def test_a_daemon_sets_pod_keeps_its_runtime_and_gets_no_advice() -> None:
    owned = {"ownerReferences": [{"kind": "DaemonSet", "controller": True}]}
    assert kinds(pod(metadata=owned, hostNetwork=True)) == []


def test_an_architecture_the_pod_rules_out_is_told() -> None:
    tenant = profile(architecture={"preferred": "amd64", "policy": "Require"})
    manifest = pod(nodeSelector={"kubernetes.io/arch": "arm64"})
    assert [advice.kind for advice in advise(read_pod(manifest), tenant)] == ["architecture"]


def test_every_text_is_below_the_length_that_the_api_asks_for() -> None:
    name = "c" * 63
    everything = container(
        name,
        **PRIVILEGED,
        volumeDevices=[{"name": "raw", "devicePath": "/dev/x"}],
        volumeMounts=[{"name": "kvm", "mountPath": "/dev/kvm", "subPath": "s"}],
    )
    manifest = pod(
        "p",
        everything,
        hostNetwork=True,
        hostPID=True,
        hostIPC=True,
        volumes=[{"name": "kvm", "hostPath": {"path": "/dev/kvm"}}],
        nodeSelector={"kubernetes.io/arch": "arm64"},
    )
    tenant = profile(runtimeClassName="kata-qemu", architecture={"preferred": "a" * 63, "policy": "Require"})
    texts = [advice.text for advice in advise(read_pod(manifest), tenant)]
    assert len(texts) == 8
    assert max(map(len, texts)) < 120
