"""Peer pods through the real API server and webhook, with others who change the pod after us."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from aiohttp import web

from certs.authority import CertificateAuthority
from certs.serving import ServingTls
from cluster.access import load_access
from cluster.client import ApiClient
from model import names
from tests.cli.command import until
from tests.lab.installed import Installation, Manifest
from webhook.peerpods import INSTANCE_TYPE, MACHINE_TYPE, MEMORY_MEBIBYTES, VCPUS, VM

pytestmark = pytest.mark.controlplane

PEER = "peer-agents"
SIDECAR = "mesh"
INJECTORS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"


@pytest_asyncio.fixture(loop_scope="session")
async def namespace(installation: Installation) -> str:
    """Of a profile of peer pods; their class has an overhead of 250m and 160Mi."""
    spec = {**installation.profile["spec"], "peerPods": {"enabled": True, "instanceType": "t3.small"}}
    await installation.stage.apply([{**installation.profile, "metadata": {"name": PEER}, "spec": spec}])
    return await installation.namespace(PEER)


def agent(installation: Installation) -> Manifest:
    manifest = installation.manifest()
    manifest["spec"]["containers"][0]["resources"] = {"limits": {"cpu": "2", "memory": "1Gi"}}
    return manifest


async def dry_run(installation: Installation, namespace: str) -> Manifest:
    return await installation.create(namespace, agent(installation), dryRun="All")


def taken_from_the_node(stored: Manifest) -> list[dict[str, Any]]:
    spec = stored["spec"]
    containers = (*spec.get("initContainers", ()), *spec["containers"])
    return [item["resources"]["limits"] for item in containers if item["resources"].get("limits")]


async def test_a_peer_pod_takes_a_virtual_machine_of_its_size_and_type(
    installation: Installation, namespace: str
) -> None:
    stored = await dry_run(installation, namespace)
    told = stored["metadata"]["annotations"]
    assert (told[VCPUS], told[MEMORY_MEBIBYTES]) == ("3", "1184")
    assert told[MACHINE_TYPE] == told[INSTANCE_TYPE] == "t3.small"
    assert taken_from_the_node(stored) == [{VM: "1"}]


async def test_an_ordinary_user_of_the_namespace_creates_peer_pods(installation: Installation, namespace: str) -> None:
    control_plane = installation.stage.control_plane
    await control_plane.kubectl(
        "create", "rolebinding", "editor", "--clusterrole=edit", "--user=editor", f"--namespace={namespace}"
    )
    async with ApiClient(await load_access(control_plane.kubeconfig_for("editor"))) as editor:
        stored = await editor.create(f"/api/v1/namespaces/{namespace}/pods", agent(installation), dryRun="All")
    assert names.PEER_POD_ANNOTATION in stored["metadata"]["annotations"]


async def test_the_pods_own_figures_move_as_well(installation: Installation, namespace: str) -> None:
    manifest = agent(installation)
    manifest["spec"]["resources"] = {"limits": {"cpu": "5", "memory": "2Gi"}}
    stored = await installation.create(namespace, manifest, dryRun="All")
    told = stored["metadata"]["annotations"]
    assert (told[VCPUS], told[MEMORY_MEBIBYTES]) == ("6", "2208")
    assert not any(stored["spec"].get("resources", {}).values())
    assert taken_from_the_node(stored) == [{VM: "1"}]


async def test_a_sidecar_that_another_webhook_added_after_us_counts(installation: Installation, namespace: str) -> None:
    async with sidecars_for(installation.stage.client, namespace):

        async def with_sidecar() -> Manifest | None:
            stored = await dry_run(installation, namespace)
            return stored if stored["spec"].get("initContainers") else None

        stored = await until(with_sidecar)
    told = stored["metadata"]["annotations"]
    assert (told[VCPUS], told[MEMORY_MEBIBYTES]) == ("4", "1696")
    assert taken_from_the_node(stored) == [{VM: "1"}]


async def test_the_defaults_of_a_limit_range_do_not_come_back(installation: Installation, namespace: str) -> None:
    limits = [{"type": "Container", "default": {"cpu": "500m", "memory": "64Mi"}}]
    body = {"metadata": {"name": "defaults"}, "spec": {"limits": limits}}
    await installation.stage.client.create(f"/api/v1/namespaces/{namespace}/limitranges", body)

    async def with_defaults() -> Manifest | None:
        stored = await dry_run(installation, namespace)
        return stored if "kubernetes.io/limit-ranger" in stored["metadata"]["annotations"] else None

    stored = await until(with_defaults)
    assert stored["metadata"]["annotations"][VCPUS] == "3"
    assert taken_from_the_node(stored) == [{VM: "1"}]


@asynccontextmanager
async def sidecars_for(client: ApiClient, namespace: str) -> AsyncIterator[None]:
    """A webhook that comes after Stoker's, by its name, and adds a sidecar to a pod that has none."""
    now = datetime.now(UTC)
    authority, tls = CertificateAuthority.create("sidecars", now=now), ServingTls()
    tls.serve(authority.issue("sidecars", now=now, identities=["127.0.0.1"]))
    app = web.Application()
    app.router.add_post("/", add_sidecar)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls.context).start()
    bundle = base64.b64encode(authority.pair.certificate_pem).decode()
    webhook = {
        "name": "sidecars.example.com",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "clientConfig": {"url": f"https://127.0.0.1:{runner.addresses[0][1]}/", "caBundle": bundle},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
    }
    await client.create(INJECTORS, {"metadata": {"name": "zz-sidecars"}, "webhooks": [webhook]})
    try:
        yield
    finally:
        await client.delete(f"{INJECTORS}/zz-sidecars")
        await runner.cleanup()


async def add_sidecar(request: web.Request) -> web.Response:
    review = await request.json()
    resources = {"limits": {"cpu": "1", "memory": "512Mi"}}
    sidecar = {"name": SIDECAR, "image": "r.example/mesh:v1", "restartPolicy": "Always", "resources": resources}
    patch = [{"op": "add", "path": "/spec/initContainers", "value": [sidecar]}]
    asked = review["request"]
    answer: dict[str, Any] = {"uid": asked["uid"], "allowed": True}
    if "initContainers" not in asked["object"]["spec"]:
        answer |= {"patchType": "JSONPatch", "patch": base64.b64encode(msgspec.json.encode(patch)).decode()}
    return web.json_response({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": answer})
