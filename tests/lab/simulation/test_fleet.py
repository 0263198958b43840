"""The simulated fleet on the real control plane. Seconds are those of its own schedule, never of the wall."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio

from cluster.access import load_access
from cluster.client import ApiClient
from lab.constants import Constants, load_constants
from lab.controlplane import ControlPlane
from lab.fleets import NodeGroup
from lab.scenarios.machines import Foresight
from lab.simulation.fleet import Fleet
from lab.simulation.truth import STAGES_ANNOTATION, Truth
from model.errors import LabError, NotFound
from tests.conftest import namespace_name
from tests.lab.scenarios.stories import story

pytestmark = pytest.mark.controlplane

SPEED = 50
Check = Callable[[], Awaitable[Any]]


def constants() -> Constants:
    """The shipped ones without chance."""
    document = load_constants().model_dump()
    document["noise"]["sigma"] = 0
    document["disks"]["slow_share"] = 0
    document["sandbox"]["retry_jitter"] = 0
    return Constants.model_validate(document)


def group(name: str, **fields: Any) -> NodeGroup:
    machine = {"count": 1, "instance_type": "c6i.metal", "architecture": "amd64", "cpu": "96", "memory": "192Gi"}
    return NodeGroup(**{"name": name, **machine, "state": "warm", **fields})


async def until(check: Check, wall_seconds: float = 30) -> Any:
    """What `check` answers as soon as that is true; a TimeoutError where it never is."""
    async with asyncio.timeout(wall_seconds):
        while True:
            answer = await check()
            if answer:
                return answer
            await asyncio.sleep(0.05)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def api(control_plane: ControlPlane) -> AsyncIterator[ApiClient]:
    """With the scheduler that places kata-deploy's pods."""
    scheduler = await control_plane.start_scheduler("simulation", {})
    async with ApiClient(await load_access(control_plane.admin_kubeconfig)) as client:
        yield client
    await scheduler.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def fleet(api: ApiClient) -> AsyncIterator[Fleet]:
    groups = [
        group("sim-warm"),
        group("sim-arm", architecture="arm64", instance_type="c7g.metal"),
        group("sim-bare", state="without-kata"),
        group("sim-imageless", images=("aws-cli",)),
        group("sim-truncated", state="truncated"),
        group("sim-restarting"),
        group("sim-scene", state="kata-installed", seconds_ago=20),
    ]
    async with Fleet.start(api, constants(), groups=groups, speed=SPEED) as running:
        await running.wait_until_ready()
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def namespace(api: ApiClient) -> AsyncIterator[str]:
    name = namespace_name("sim")
    await api.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
    await until(lambda: _exists(api, account))
    yield name
    await api.delete(f"/api/v1/namespaces/{name}")


async def _exists(api: ApiClient, path: str) -> bool:
    try:
        await api.get(path)
    except NotFound:
        return False
    return True


class Tenant:
    """One tenant's pod, bound to a node by its creator."""

    def __init__(self, api: ApiClient, fleet: Fleet, namespace: str, created: dict[str, Any]) -> None:
        self._api = api
        self._fleet = fleet
        self._namespace = namespace
        self.uid = created["metadata"]["uid"]
        self.path = f"/api/v1/namespaces/{namespace}/pods/agent"

    @property
    def truth(self) -> Truth:
        truth = self._fleet.truth(self.uid)
        assert truth is not None
        return truth

    async def until_ready(self) -> dict[str, Any]:
        async def ready() -> Any:
            pod = await self._api.get(self.path)
            conditions = {item["type"]: item["status"] for item in pod["status"].get("conditions", ())}
            return pod if conditions.get("Ready") == "True" else None

        pod: dict[str, Any] = await until(ready)
        return pod

    async def until_event(self, reason: str, words: str) -> dict[str, Any]:
        async def found() -> Any:
            events = await self._api.get(f"/api/v1/namespaces/{self._namespace}/events")
            matching = (item for item in events["items"] if item["reason"] == reason and words in item["message"])
            return next(matching, None)

        event: dict[str, Any] = await until(found)
        return event


async def tenant(api: ApiClient, fleet: Fleet, namespace: str, node: str, **container: Any) -> Tenant:
    images = fleet.constants.images
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "agent"},
        "spec": {
            "nodeName": node,
            "runtimeClassName": "kata-qemu",
            "tolerations": [{"operator": "Exists"}],
            "initContainers": [{"name": "restore", "image": images["aws-cli"].reference}],
            "containers": [{"name": "agent", "image": images["openclaw"].reference, **container}],
        },
    }
    created = await api.create(f"/api/v1/namespaces/{namespace}/pods", body)
    pod = Tenant(api, fleet, namespace, created)

    async def bound() -> bool:
        return fleet.truth(pod.uid) is not None

    await until(bound)
    return pod


async def kata_deploy_on(api: ApiClient, node: str) -> dict[str, Any]:
    selector = {"labelSelector": "name=kata-deploy", "fieldSelector": f"spec.nodeName={node}"}
    pods = await api.get("/api/v1/namespaces/kube-system/pods", **selector)
    assert len(pods["items"]) == 1
    found: dict[str, Any] = pods["items"][0]
    return found


async def test_a_pod_on_a_warm_amd64_node_is_ready_after_the_benchmarks_43_seconds(
    api: ApiClient, fleet: Fleet, namespace: str
) -> None:
    pod = await tenant(api, fleet, namespace, "sim-warm-1")
    shown = await pod.until_ready()
    assert pod.truth.kubelet_seconds == pytest.approx(43)
    assert pod.truth.warm_at_binding
    assert [stage.name for stage in pod.truth.stages] == ["sandbox", "init", "application", "ready"]
    assert STAGES_ANNOTATION in shown["metadata"]["annotations"]


async def test_a_warm_arm64_node_starts_the_application_17_seconds_slower(
    api: ApiClient, fleet: Fleet, namespace: str
) -> None:
    pod = await tenant(api, fleet, namespace, "sim-arm-1")
    await pod.until_ready()
    assert pod.truth.kubelet_seconds == pytest.approx(60)


async def test_a_ready_pod_has_the_status_that_a_kubelet_writes(api: ApiClient, fleet: Fleet, namespace: str) -> None:
    pod = await tenant(api, fleet, namespace, "sim-warm-1")
    status = (await pod.until_ready())["status"]
    assert status["phase"] == "Running"
    assert {item["type"] for item in status["conditions"] if item["status"] == "True"} >= {
        "PodReadyToStartContainers",
        "Initialized",
        "ContainersReady",
        "Ready",
    }
    assert status["initContainerStatuses"][0]["state"]["terminated"]["reason"] == "Completed"
    container = status["containerStatuses"][0]
    assert (container["ready"], container["restartCount"]) == (True, 0)
    assert container["imageID"].startswith("ghcr.io/openclaw/openclaw@sha256:")
    assert status["podIP"]


async def test_a_cached_image_is_said_to_be_present(api: ApiClient, fleet: Fleet, namespace: str) -> None:
    pod = await tenant(api, fleet, namespace, "sim-warm-1")
    event = await pod.until_event("Pulled", "openclaw")
    assert "already present on machine" in event["message"]
    assert event["involvedObject"]["fieldPath"] == "spec.containers{agent}"


async def test_policy_always_pays_for_the_manifest_though_the_image_is_there(
    api: ApiClient, fleet: Fleet, namespace: str
) -> None:
    pod = await tenant(api, fleet, namespace, "sim-warm-1", imagePullPolicy="Always")
    await pod.until_ready()
    assert pod.truth.kubelet_seconds == pytest.approx(43 + 0.13)


async def test_a_missing_image_is_pulled_and_then_reported(api: ApiClient, fleet: Fleet, namespace: str) -> None:
    pod = await tenant(api, fleet, namespace, "sim-imageless-1")
    event = await pod.until_event("Pulled", "Successfully pulled")
    assert "in 40.312s (40.312s including waiting). Image size: 1130000000 bytes." in event["message"]
    assert pod.truth.cold_reasons == ("image-missing",)

    async def reported() -> bool:
        node = await api.get("/api/v1/nodes/sim-imageless-1")
        return any("ghcr.io/openclaw/openclaw:2026.3.1" in image["names"] for image in node["status"]["images"])

    await until(reported)


async def test_a_truncated_report_hides_an_image_that_is_there(api: ApiClient, fleet: Fleet, namespace: str) -> None:
    node = await api.get("/api/v1/nodes/sim-truncated-1")
    names = [name for image in node["status"]["images"] for name in image["names"]]
    assert len(node["status"]["images"]) == 50
    assert not any("openclaw" in name for name in names)
    pod = await tenant(api, fleet, namespace, "sim-truncated-1")
    assert pod.truth.warm_at_binding


async def test_sandboxes_fail_without_kata_until_it_is_installed(api: ApiClient, fleet: Fleet, namespace: str) -> None:
    pod = await tenant(api, fleet, namespace, "sim-bare-1")
    event = await pod.until_event("FailedCreatePodSandBox", 'no runtime for "kata-qemu" is configured')
    assert event["type"] == "Warning"
    assert pod.truth.cold_reasons == ("handler-missing",)
    await fleet.install_kata("sim-bare-1")
    await pod.until_ready()
    assert pod.truth.failed_sandboxes > 1

    async def reported() -> bool:
        node = await api.get("/api/v1/nodes/sim-bare-1")
        handlers = {handler["name"] for handler in node["status"]["runtimeHandlers"]}
        label = node["metadata"]["labels"]["katacontainers.io/kata-runtime"]
        return "kata-qemu" in handlers and label == "true"

    await until(reported)


async def test_a_restart_of_containerd_shows_as_a_restart_of_kata_deploys_container(
    api: ApiClient, fleet: Fleet
) -> None:
    before = (await kata_deploy_on(api, "sim-restarting-1"))["status"]["containerStatuses"][0]
    fleet.restart_containerd("sim-restarting-1")

    async def restarted() -> Any:
        status = (await kata_deploy_on(api, "sim-restarting-1"))["status"]["containerStatuses"][0]
        return status if status["restartCount"] == 1 and status["ready"] else None

    after = await until(restarted)
    assert after["state"]["running"]["startedAt"] > before["state"]["running"]["startedAt"]
    assert after["lastState"]["terminated"]["startedAt"] == before["state"]["running"]["startedAt"]


async def test_the_scene_installs_kata_in_the_past_and_pulls_stall_since(
    api: ApiClient, fleet: Fleet, namespace: str
) -> None:
    fleet.set_scene()

    async def labelled() -> bool:
        node = await api.get("/api/v1/nodes/sim-scene-1")
        return bool(node["metadata"]["labels"]["katacontainers.io/kata-runtime"] == "true")

    await until(labelled)
    assert fleet.nodes["sim-scene-1"].pulls_stall_until - fleet.nodes["sim-scene-1"].restarted_at == pytest.approx(140)
    pod = await tenant(api, fleet, namespace, "sim-scene-1", image="registry.example.com/never/seen:v1")
    await pod.until_ready()
    assert "settle" in [stage.name for stage in pod.truth.stages]
    assert pod.truth.in_settle_window


async def test_a_warm_nodes_kata_label_is_older_than_the_node(api: ApiClient, fleet: Fleet) -> None:
    node = await api.get(f"/api/v1/nodes/{next(iter(fleet.nodes))}")
    times = {entry["manager"]: entry["time"] for entry in node["metadata"]["managedFields"]}
    assert times["kata-deploy"] < node["metadata"]["creationTimestamp"]


async def test_a_deleted_pod_is_ended_by_its_kubelet(api: ApiClient, fleet: Fleet, namespace: str) -> None:
    pod = await tenant(api, fleet, namespace, "sim-warm-1")
    await api.delete(pod.path)

    async def gone() -> bool:
        return not await _exists(api, pod.path)

    await until(gone)


async def test_an_unknown_node_is_refused_with_the_names_there_are(fleet: Fleet) -> None:
    with pytest.raises(LabError, match=r"no node nowhere; it has sim-warm-1, sim-arm-1"):
        await fleet.cordon("nowhere")


async def test_a_fresh_machine_joins_unready_and_becomes_ready(api: ApiClient, fleet: Fleet) -> None:
    await fleet.join(group("sim-late", state="without-kata"), "sim-late-1")
    node = await api.get("/api/v1/nodes/sim-late-1")
    ready = {item["type"]: item["status"] for item in node["status"]["conditions"]}["Ready"]
    assert (ready, node["status"].get("images", [])) == ("True", [])
    await fleet.delete("sim-late-1")
    assert not await _exists(api, "/api/v1/nodes/sim-late-1")


async def test_kata_is_there_on_a_fresh_machine_when_omniscience_foresees_it(fleet: Fleet) -> None:
    """However many wall seconds the control plane took to bind kata-deploy's pod."""
    joining = group("sim-join")
    told = story("cold-join").model_copy(update={"joining": joining})
    foreseen = Foresight(constants(), told).machines()[-1]
    launched = fleet.clock.now()
    await fleet.join(joining, foreseen.name)

    async def installed() -> bool:
        return fleet.nodes[foreseen.name].installed_at is not None

    await until(installed)
    assert fleet.nodes[foreseen.name].installed_at == pytest.approx(launched + foreseen.installed, abs=0.1)
    await fleet.delete(foreseen.name)


async def test_a_fleet_leaves_nothing_behind(api: ApiClient, fleet: Fleet) -> None:
    async with Fleet.start(api, constants(), groups=[group("sim-brief", state="without-kata")], speed=SPEED):
        assert await _exists(api, "/api/v1/nodes/sim-brief-1")
    assert not await _exists(api, "/api/v1/nodes/sim-brief-1")
    assert not await _exists(api, "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/sim-brief-1")
    assert await _exists(api, "/api/v1/nodes/sim-warm-1")
    assert fleet.nodes
