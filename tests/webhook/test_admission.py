"""The webhook behind a real API server: what is stored, and what a user is told."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from certs.authority import CertificateAuthority
from lab.controlplane import ControlPlane
from model.errors import LabError
from serving.addresses import Address
from serving.listener import Listener
from serving.messages import Answer, Request
from tests.builders import container, pod, profile
from tests.conftest import namespace_name
from tests.webhook.tenants import Tenants
from webhook.app import build_app

pytestmark = pytest.mark.controlplane

CLASS = "kata-qemu-admission"
KATA = profile(
    runtimeClassName=CLASS,
    runtimeClassPolicy="Enforce",
    tolerations=[{"key": "stoker.dev/tenant", "operator": "Exists", "effect": "NoSchedule"}],
    schedulingGates=["stoker.dev/warm-node"],
    schedulerName="stoker-scheduler",
    architecture={"preferred": "amd64", "policy": "Prefer"},
)
RUNTIME_CLASS = {
    "apiVersion": "node.k8s.io/v1",
    "kind": "RuntimeClass",
    "metadata": {"name": CLASS},
    "handler": "kata-qemu",
    "overhead": {"podFixed": {"memory": "160Mi", "cpu": "250m"}},
    "scheduling": {"nodeSelector": {"katacontainers.io/kata-runtime": "true"}},
}
OTHER_CLASS = {**RUNTIME_CLASS, "metadata": {"name": f"{CLASS}-other"}}
SIDECAR = container("mesh", "mesh:v2", imagePullPolicy="Always")
MESHED = {"labels": {"mesh": "yes"}}


def inject_sidecar(request: Request) -> Answer:
    """Another project's webhook, which runs after ours and adds a container that it would always pull."""
    asked = json.loads(request.body)["request"]
    present = {item["name"] for item in asked["object"]["spec"]["containers"]}
    patch = [] if "mesh" in present else [{"op": "add", "path": "/spec/containers/-", "value": SIDECAR}]
    answer = {"uid": asked["uid"], "allowed": True}
    if patch:
        answer |= {"patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(patch).encode()).decode()}
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": answer}
    return Answer(body=json.dumps(review).encode())


class Tenant:
    """A namespace whose pods go through the webhook."""

    def __init__(self, control_plane: ControlPlane, namespace: str) -> None:
        self._control_plane = control_plane
        self.namespace = namespace

    async def create(self, manifest: dict[str, Any], *flags: str) -> dict[str, Any]:
        manifest = {**manifest, "metadata": {**manifest["metadata"], "namespace": self.namespace}}
        output = await self._control_plane.kubectl(
            "create", "-f", "-", "-o", "json", *flags, stdin=json.dumps(manifest)
        )
        created: dict[str, Any] = json.loads(output)
        return created

    async def pod_names(self) -> list[str]:
        output = await self._control_plane.kubectl("get", "pods", "-n", self.namespace, "-o", "name")
        return output.split()


def serving_context(authority: CertificateAuthority, directory: Path) -> ssl.SSLContext:
    leaf = authority.issue("stoker", now=datetime.now(UTC), identities=["127.0.0.1"])
    (directory / "tls.crt").write_bytes(leaf.certificate_pem)
    (directory / "tls.key").write_bytes(leaf.key_pem)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(directory / "tls.crt", directory / "tls.key")
    return context


def configuration(namespace: str, address: Address, authority: CertificateAuthority) -> dict[str, Any]:
    def webhook(name: str, path: str, **members: Any) -> dict[str, Any]:
        return {
            "name": name,
            "admissionReviewVersions": ["v1"],
            "clientConfig": {
                "url": f"https://{address}{path}",
                "caBundle": base64.b64encode(authority.pair.certificate_pem).decode(),
            },
            "failurePolicy": "Fail",
            "sideEffects": "None",
            "timeoutSeconds": 5,
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
            **members,
        }

    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": namespace},
        "webhooks": [
            webhook("pods.stoker.dev", "/mutate", reinvocationPolicy="IfNeeded"),
            webhook("mesh.example.com", "/inject", objectSelector={"matchLabels": MESHED["labels"]}),
        ],
    }


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def tenant(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Tenant]:
    namespace = namespace_name("admission")
    authority = CertificateAuthority.create("test", now=datetime.now(UTC))
    app = build_app(Tenants({namespace: "kata-agents"}, KATA))
    app.post("/inject", inject_sidecar)
    listener = Listener(
        app,
        Address("127.0.0.1", 0),
        ssl_context=serving_context(authority, tmp_path_factory.mktemp("admission")),
    )
    await listener.start()
    kubectl = control_plane.kubectl
    await kubectl("create", "namespace", namespace)
    await kubectl("wait", "--for=create", "serviceaccount/default", "-n", namespace, "--timeout=60s")
    for manifest in (RUNTIME_CLASS, OTHER_CLASS, configuration(namespace, listener.address, authority)):
        await kubectl("create", "-f", "-", stdin=json.dumps(manifest))
    yield Tenant(control_plane, namespace)
    await kubectl("delete", "mutatingwebhookconfiguration", namespace)
    await kubectl("delete", "runtimeclass", CLASS, f"{CLASS}-other")
    await kubectl("delete", "namespace", namespace, "--wait=false")
    await listener.drain(5)


async def test_a_pod_is_stored_as_its_profile_says(tenant: Tenant) -> None:
    spec = (await tenant.create(pod("whole", container(image="app:v1", imagePullPolicy="Always"))))["spec"]
    assert spec["runtimeClassName"] == CLASS
    assert spec["containers"][0]["imagePullPolicy"] == "IfNotPresent"
    assert spec["schedulingGates"] == [{"name": "stoker.dev/warm-node"}]
    assert spec["schedulerName"] == "stoker-scheduler"
    assert KATA.spec.tolerations[0].key in {toleration.get("key") for toleration in spec["tolerations"]}
    terms = spec["affinity"]["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert [term["weight"] for term in terms] == [100]


async def test_the_api_server_adds_the_classs_overhead_and_selector(tenant: Tenant) -> None:
    spec = (await tenant.create(pod("overhead")))["spec"]
    assert spec["overhead"] == {"memory": "160Mi", "cpu": "250m"}
    assert spec["nodeSelector"] == {"katacontainers.io/kata-runtime": "true"}


async def test_an_image_volume_gets_the_image_policy(tenant: Tenant) -> None:
    volume = {"name": "models", "image": {"reference": "models:v7", "pullPolicy": "Always"}}
    spec = (await tenant.create(pod("volume", volumes=[volume])))["spec"]
    assert spec["volumes"][0]["image"]["pullPolicy"] == "IfNotPresent"


async def test_a_name_may_be_generated(tenant: Tenant) -> None:
    manifest = pod()
    manifest["metadata"] = {"generateName": "generated-"}
    created = await tenant.create(manifest)
    assert created["metadata"]["annotations"]["stoker.dev/profile"] == "kata-agents"


async def test_a_pod_with_a_node_is_let_in_without_a_gate(tenant: Tenant) -> None:
    spec = (await tenant.create(pod("bound", nodeName="nowhere")))["spec"]
    assert "schedulingGates" not in spec
    assert spec["runtimeClassName"] == CLASS


async def test_a_dry_run_shows_the_patch_and_stores_nothing(tenant: Tenant) -> None:
    shown = await tenant.create(pod("dry"), "--dry-run=server")
    assert shown["spec"]["runtimeClassName"] == CLASS
    assert "pod/dry" not in await tenant.pod_names()


async def test_another_class_is_refused_with_a_message(tenant: Tenant) -> None:
    with pytest.raises(LabError, match=f"enforces '{CLASS}'"):
        await tenant.create(pod("wrong", runtimeClassName=f"{CLASS}-other"))


async def test_a_sidecar_that_another_webhook_adds_gets_the_image_policy_too(tenant: Tenant) -> None:
    spec = (await tenant.create(pod("meshed", metadata=MESHED)))["spec"]
    assert {item["name"]: item["imagePullPolicy"] for item in spec["containers"]} == {
        "agent": "IfNotPresent",
        "mesh": "IfNotPresent",
    }
    assert len(spec["schedulingGates"]) == 1


async def test_a_pod_without_containers_is_refused_by_validation(tenant: Tenant) -> None:
    empty = pod("empty")
    empty["spec"]["containers"] = []
    with pytest.raises(LabError, match=r"spec\.containers"):
        await tenant.create(empty, "--validate=false")
