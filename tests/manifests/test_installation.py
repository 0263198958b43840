"""manifests/default on the real API server: what is applied stays as it is, may do enough, and no more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from certs.serving import ServingTls
from certs.sources import SelfManaged
from cluster.access import load_access
from cluster.client import ApiClient
from lab.controlplane import ControlPlane
from lab.processes import Process, free_ports
from manifests.loader import ROOT, load
from model import names
from model.errors import LabError
from tests.conftest import namespace_name

pytestmark = pytest.mark.controlplane

WEBHOOKS = "mutatingwebhookconfigurations.admissionregistration.k8s.io"
LOCKED_DOWN = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def shipped(kind: str, name: str) -> dict[str, Any]:
    (found,) = (item for item in load("default") if (item["kind"], item["metadata"]["name"]) == (kind, name))
    return found


async def live(control_plane: ControlPlane, *words: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(await control_plane.kubectl("get", *words, "--output=json"))
    return answer


@pytest_asyncio.fixture(loop_scope="session")
async def stoker(installed: ControlPlane) -> AsyncIterator[ApiClient]:
    """A client with a token of Stoker's own service account."""
    async with ApiClient(await load_access(await kubeconfig(installed, "stoker"))) as client:
        yield client


async def kubeconfig(control_plane: ControlPlane, account: str) -> Path:
    token = await control_plane.kubectl("create", "token", account, f"--namespace={names.NAMESPACE}")
    return control_plane.kubeconfig_for_token(token.strip(), account)


async def test_applying_a_second_time_changes_nothing(installed: ControlPlane) -> None:
    printed = await installed.kubectl("apply", "-k", str(ROOT / "default"))
    # kubectl sends a budget's selector as `$patch: replace` every time, whether it differs or not.
    changed = [line for line in printed.splitlines() if not line.endswith(" unchanged")]
    assert changed == ["poddisruptionbudget.policy/stoker configured"]


async def test_the_cluster_does_not_differ_from_the_files(installed: ControlPlane) -> None:
    assert await installed.kubectl("diff", "-k", str(ROOT / "default")) == ""


async def test_the_bundle_written_with_stokers_own_rights_survives_another_apply(
    installed: ControlPlane, stoker: ApiClient
) -> None:
    await SelfManaged(stoker, ServingTls()).refresh(datetime.now(UTC))
    before = await live(installed, WEBHOOKS, "stoker")
    assert before["webhooks"][0]["clientConfig"]["caBundle"]
    await installed.kubectl("apply", "-k", str(ROOT / "default"))
    await installed.kubectl(
        *("apply", "-k", str(ROOT / "default"), "--server-side", "--force-conflicts", "--field-manager=gitops")
    )
    assert (await live(installed, WEBHOOKS, "stoker"))["webhooks"] == before["webhooks"]


async def test_every_field_of_the_webhook_is_rendered_but_the_bundle(installed: ControlPlane) -> None:
    webhooks = (await live(installed, WEBHOOKS, "stoker"))["webhooks"]
    webhooks[0]["clientConfig"].pop("caBundle", None)
    assert webhooks == shipped("MutatingWebhookConfiguration", "stoker")["webhooks"]


@pytest.mark.parametrize("name", ["stoker", names.SCHEDULER])
async def test_pods_of_the_template_satisfy_the_restricted_standard_of_their_namespace(
    installed: ControlPlane, name: str
) -> None:
    template = shipped("Deployment", name)["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", **template, "metadata": {**template["metadata"], "name": "tried"}}
    flags = ("create", "--dry-run=server", f"--namespace={names.NAMESPACE}", "--filename=-")
    await installed.kubectl(*flags, stdin=json.dumps(pod))
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    with pytest.raises(LabError, match='violates PodSecurity "restricted:latest"'):
        await installed.kubectl(*flags, stdin=json.dumps(pod))


def test_no_container_may_write_to_its_root_or_gain_a_privilege() -> None:
    jobs = shipped("CronJob", "stoker-release")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    specs = [shipped("Deployment", name)["spec"]["template"]["spec"] for name in ("stoker", names.SCHEDULER)]
    for spec in (*specs, jobs):
        assert spec["securityContext"]["runAsNonRoot"]
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert {json.dumps(container["securityContext"], sort_keys=True) for container in spec["containers"]} == {
            json.dumps(LOCKED_DOWN, sort_keys=True)
        }


async def test_the_release_job_gets_its_pods_under_the_restricted_standard(installed: ControlPlane) -> None:
    await installed.kubectl(
        *("create", "job", "released", f"--namespace={names.NAMESPACE}", "--from=cronjob/stoker-release")
    )
    await installed.kubectl(
        *(
            "wait",
            "job/released",
            f"--namespace={names.NAMESPACE}",
            "--timeout=60s",
            "--for=jsonpath={.status.active}=1",
        )
    )
    (pod,) = (await live(installed, "pods", f"--namespace={names.NAMESPACE}", "--selector=job-name=released"))["items"]
    assert pod["spec"]["serviceAccountName"] == "stoker-release"


@pytest.mark.parametrize("name", ["stoker", names.SCHEDULER])
async def test_the_deployments_get_their_pods(installed: ControlPlane, name: str) -> None:
    await installed.kubectl(
        *("wait", f"deployment/{name}", f"--namespace={names.NAMESPACE}", "--timeout=60s"),
        "--for=jsonpath={.status.replicas}=2",
    )


def test_the_service_and_the_budget_select_the_pods_of_the_deployment() -> None:
    template = shipped("Deployment", "stoker")["spec"]["template"]
    assert shipped("Service", "stoker")["spec"]["selector"] == template["metadata"]["labels"]
    assert shipped("PodDisruptionBudget", "stoker")["spec"]["selector"]["matchLabels"] == template["metadata"]["labels"]
    ports = {port["name"]: port["containerPort"] for port in template["spec"]["containers"][0]["ports"]}
    assert {port["targetPort"] for port in shipped("Service", "stoker")["spec"]["ports"]} == set(ports)
    assert ports == {"webhook": 9443, "extender": 9444, "metrics": 9090}


async def test_requests_of_the_account_have_a_priority_level_apart_from_the_tenants(
    installed: ControlPlane, stoker: ApiClient
) -> None:
    schema = await live(installed, "flowschema", "stoker")
    assert [(item["type"], item["status"]) for item in schema["status"]["conditions"]] == [("Dangling", "False")]
    await stoker.get("/api/v1/nodes", limit=1)
    counted = await installed.kubectl("get", "--raw", "/metrics")
    assert 'apiserver_flowcontrol_dispatched_requests_total{flow_schema="stoker",priority_level="workload-high"}' in (
        counted
    )


def tenant_pod(name: str, annotations: dict[str, str] | None = None) -> str:
    spec = {"containers": [{"name": "main", "image": "registry.example/agent:1"}]}
    metadata = {"name": name, "annotations": annotations or {}}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})


async def namespace(control_plane: ControlPlane, labels: dict[str, str]) -> str:
    name = namespace_name("manifests")
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    await control_plane.kubectl("create", "--filename=-", stdin=json.dumps(body))
    await control_plane.kubectl("wait", "--for=create", "serviceaccount/default", f"--namespace={name}")
    return name


async def test_pods_of_a_tenant_are_refused_while_no_webhook_answers(installed: ControlPlane) -> None:
    tenant = await namespace(installed, {names.PROFILE_LABEL: "kata-agents"})
    with pytest.raises(LabError, match=r'failed calling webhook "pods\.stoker\.dev"'):
        await installed.kubectl("create", f"--namespace={tenant}", "--filename=-", stdin=tenant_pod("agent"))


async def test_pods_of_other_namespaces_do_not_need_the_webhook(installed: ControlPlane) -> None:
    other = await namespace(installed, {})
    await installed.kubectl("create", f"--namespace={other}", "--filename=-", stdin=tenant_pod("agent"))


async def test_mirror_pods_do_not_need_the_webhook(installed: ControlPlane) -> None:
    tenant = await namespace(installed, {names.PROFILE_LABEL: "kata-agents"})
    mirror = tenant_pod("mirror", {names.MIRROR_ANNOTATION: "hash"})
    with pytest.raises(LabError) as caught:
        await installed.kubectl("create", f"--namespace={tenant}", "--filename=-", stdin=mirror)
    assert "webhook" not in str(caught.value)  # only the node's own kubelet may make one, says the API server


@pytest.mark.parametrize("name", ["kube-system", names.NAMESPACE])
async def test_a_label_on_the_clusters_own_namespaces_does_not_bring_the_webhook_in(
    installed: ControlPlane, name: str
) -> None:
    await installed.kubectl("label", "namespace", name, f"{names.PROFILE_LABEL}=kata-agents")
    template = shipped("Deployment", "stoker")["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", **template, "metadata": {"name": "tried"}}
    pod["spec"]["serviceAccountName"] = "default"
    try:
        await installed.kubectl(
            *("create", "--dry-run=server", f"--namespace={name}", "--filename=-"), stdin=json.dumps(pod)
        )
    finally:
        await installed.kubectl("label", "namespace", name, f"{names.PROFILE_LABEL}-")


async def test_the_second_scheduler_runs_with_its_configuration_and_the_rights_granted(
    installed: ControlPlane, tmp_path: Path
) -> None:
    """Nobody answers on the extender's port: the pod is bound all the same."""
    credentials = await kubeconfig(installed, names.SCHEDULER)
    configuration = yaml.safe_load(shipped("ConfigMap", names.SCHEDULER)["data"]["scheduler.yaml"])
    (extender_port, secure_port) = free_ports(2)
    configuration["clientConnection"]["kubeconfig"] = str(credentials)
    configuration["extenders"][0]["urlPrefix"] = f"http://127.0.0.1:{extender_port}"
    path = tmp_path / "scheduler.yaml"
    path.write_text(yaml.safe_dump(configuration))
    other = await namespace(installed, {})
    await make_node(installed, f"{other}-node")
    pod = json.loads(tenant_pod("agent"))
    pod["spec"] |= {"schedulerName": names.SCHEDULER, "tolerations": [{"operator": "Exists"}]}
    await installed.kubectl("create", f"--namespace={other}", "--filename=-", stdin=json.dumps(pod))

    async def bound() -> bool:
        return "nodeName" in (await live(installed, "pod", "agent", f"--namespace={other}"))["spec"]

    process = Process(
        "second-scheduler",
        [
            *(installed.programs.kube_scheduler, f"--config={path}"),
            *("--bind-address=127.0.0.1", f"--secure-port={secure_port}"),
            *(f"--authentication-kubeconfig={credentials}", f"--authorization-kubeconfig={credentials}"),
        ],
        log=tmp_path / "scheduler.log",
        check=bound,
    )
    try:
        await process.start()
        lease = await live(installed, "lease", names.SCHEDULER, f"--namespace={names.NAMESPACE}")
        assert lease["spec"]["holderIdentity"]
        log = await asyncio.to_thread((tmp_path / "scheduler.log").read_text)
        assert "forbidden" not in log
    finally:
        await process.stop()


async def make_node(control_plane: ControlPlane, name: str) -> None:
    capacity = {"cpu": "8", "memory": "16Gi", "pods": "100"}
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name},
        "status": {"allocatable": capacity, "capacity": capacity},
    }
    await control_plane.kubectl("create", "--filename=-", stdin=json.dumps(node))


def test_one_step_of_the_extender_outweighs_all_default_plugins_together() -> None:
    configuration = yaml.safe_load(shipped("ConfigMap", names.SCHEDULER)["data"]["scheduler.yaml"])
    plugin_weights = 3 + 2 + 2 + 2 + 2 + 1 + 1 + 1
    assert configuration["extenders"][0]["weight"] * 10 > plugin_weights * 100
