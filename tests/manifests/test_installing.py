"""docs/installing.md holds: its overlay names every image, and its commands take Stoker out of a cluster."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
import yaml

from lab.controlplane import ControlPlane
from lab.toolchain import Programs
from manifests.loader import ROOT, text
from model import names
from tests.cli.command import stoker, until

pytestmark = pytest.mark.controlplane

PAGE: Final = (ROOT.parent / "docs" / "installing.md").read_text(encoding="utf-8")
IMAGE: Final = "registry.example/platform/stoker:0.1.0"
CHECKOUT: Final = "../stoker/manifests/default"


def block(heading: str, language: str = "", number: int = 0) -> str:
    """A block of code below a heading of the page."""
    section = PAGE[PAGE.index(f"## {heading}\n") :]
    opened = section.split(f"```{language}\n")[1 + (number if language else 2 * number)]
    return opened.partition("```")[0]


async def images(programs: Programs, overlay: Path) -> list[str]:
    """Of the containers that an overlay makes."""
    child = await asyncio.create_subprocess_exec(
        programs.kubectl, "kustomize", str(overlay), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await child.communicate()
    assert child.returncode == 0
    return sorted(_images(list(yaml.safe_load_all(output))))


def _images(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["image"]] if isinstance(value.get("image"), str) else []
        return own + [image for item in value.values() for image in _images(item)]
    return [image for item in value for image in _images(item)] if isinstance(value, list) else []


@pytest.fixture
def production(tmp_path: Path) -> Path:
    """The overlay of the page, beside a checkout."""
    shutil.copytree(ROOT, tmp_path / "stoker" / "manifests", ignore=shutil.ignore_patterns("__pycache__"))
    overlay = tmp_path / "production"
    overlay.mkdir()
    (overlay / "kustomization.yaml").write_text(block("An image of your own name", "yaml"))
    return overlay


@pytest_asyncio.fixture(loop_scope="session")
async def inhabited(programs: Programs, tmp_path: Path) -> AsyncIterator[ControlPlane]:
    """A cluster with Stoker, of which no process runs, and a tenant whose pod waits behind the gate.

    The pod was made before the namespace opted in: with the label, nobody is there to answer for it.
    """
    running = await ControlPlane.up(tmp_path, programs)
    try:
        await running.kubectl("apply", "-k", str(ROOT / "default"))
        await running.kubectl("wait", "--for=condition=Established", "crd/tenantprofiles.stoker.dev", "--timeout=30s")
        await running.kubectl("apply", "-k", str(ROOT / "samples"))
        await running.kubectl("create", "namespace", "tenant")
        await until(lambda: _has_account(running))
        gates = [{"name": names.WARM_NODE_GATE}]
        container = {"name": "main", "image": "registry.example/agent:v1"}
        spec = {"schedulerName": "stoker-scheduler", "schedulingGates": gates, "containers": [container]}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "agent", "namespace": "tenant"}, "spec": spec}
        await running.kubectl("create", "-f", "-", stdin=json.dumps(pod))
        await running.kubectl("label", "namespace", "tenant", f"{names.PROFILE_LABEL}=kata-agents")
        yield running
    finally:
        await running.down()


async def _has_account(running: ControlPlane) -> bool | None:
    found = await running.kubectl(
        "-n", "tenant", "get", "serviceaccount", "default", "--ignore-not-found", "-o", "name"
    )
    return True if found else None


async def run(cluster: ControlPlane, command: str) -> str:
    """A line of the page, as cluster administrator."""
    program, *words = command.replace("manifests/default", str(ROOT / "default")).split()
    if program == "kubectl":
        return await cluster.kubectl(*words)
    assert program == "stoker"
    ended = await stoker(*words, "--kubeconfig", cluster.admin_kubeconfig)
    assert (ended.status, ended.complaint) == (0, "")
    return ended.output


async def test_the_overlay_names_the_image_wherever_there_is_one(programs: Programs, production: Path) -> None:
    assert await images(programs, production) == [IMAGE] * 3 + ["registry.k8s.io/kube-scheduler:v1.36.3"]


async def test_so_does_one_without_a_checkout(programs: Programs, production: Path) -> None:
    kustomization = production / "kustomization.yaml"
    (production / "stoker.yaml").write_text(text("default"))
    kustomization.write_text(kustomization.read_text().replace(CHECKOUT, "stoker.yaml"))
    assert await images(programs, production) == [IMAGE] * 3 + ["registry.k8s.io/kube-scheduler:v1.36.3"]


async def test_the_commands_take_stoker_out_and_leave_no_pod_behind_a_gate(inhabited: ControlPlane) -> None:
    for command in block("Uninstalling").splitlines():
        await run(inhabited, command)
    kinds = "pods,deployments,clusterroles,mutatingwebhookconfigurations,validatingadmissionpolicies,flowschemas,crds"
    assert await inhabited.kubectl("get", kinds, "-A", "-l", "app.kubernetes.io/name=stoker", "-o", "name") == ""
    pod = json.loads(await inhabited.kubectl("-n", "tenant", "get", "pod", "agent", "-o", "json"))
    namespace = json.loads(await inhabited.kubectl("get", "namespace", "tenant", "-o", "json"))
    assert "schedulingGates" not in pod["spec"]
    assert names.PROFILE_LABEL not in namespace["metadata"]["labels"]
    assert await run(inhabited, block("Uninstalling", number=1)) == 'pod "agent" deleted from tenant namespace\n'
    await inhabited.kubectl("-n", "tenant", "run", "next", "--image=registry.example/agent:v1")
