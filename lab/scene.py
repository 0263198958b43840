"""What must stand before the pods of a demonstration come: the profile, namespaces, and pods that were there before."""

from __future__ import annotations

from typing import Any, Final

from cluster.client import ApiClient
from lab.constants import Constants
from lab.simulation.fleet import Fleet
from lab.stage import eventually
from lab.workload import Manifest, Workload, profile_of
from manifests.loader import load
from model import names
from model.errors import ApiError, NotFound
from model.names import KATA_DEPLOY

SETUP_WALL_SECONDS: Final = 60.0
PROBES: Final = 4
RESTART_EVERY_SECONDS: Final = 10.0

RESIDENTS: Final = "residents"
"""The namespace of the pods that run on the nodes with a cut-off report: they prove that the images are there."""

WEBHOOK: Final = "pods.stoker.dev"
"""What the API server calls the webhook in its refusals."""

PROBE: Final[Manifest] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "probe"},
    "spec": {
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "probe",
                "image": "probe:1",
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            }
        ],
    },
}
"""A pod that the pod security standards let into any namespace; it is never stored."""


def sample_profile(constants: Constants, *, gated: bool = True) -> Manifest:
    """The profile of manifests/samples, with the runtime class of these constants.

    Without the gate, the second scheduler asks the extender; with it, the pods are nominated.
    """
    profile = next(item for item in load("samples") if item["kind"] == "TenantProfile")
    profile["spec"]["runtimeClassName"] = constants.kata.runtime_class
    if not gated:
        profile["spec"]["schedulingGates"] = []
    return profile


class Scene:
    """Prepares one cluster; each method returns when what it set up is in effect."""

    def __init__(self, client: ApiClient, constants: Constants) -> None:
        self._client = client
        self._constants = constants

    async def place_residents(self, fleet: Fleet) -> None:
        """A pod with the tenant's images on each node whose report is cut off."""
        nodes = [node.name for node in fleet.nodes.values() if node.group.state == "truncated"]
        if not nodes:
            return
        await self.ensure_namespace({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": RESIDENTS}})
        collection = f"/api/v1/namespaces/{RESIDENTS}/pods"
        for node in nodes:
            await self._client.create(collection, self._resident(node))

        async def all_ready() -> bool:
            pods = await self._client.get(collection)
            return all(_is_ready(pod) for pod in pods["items"])

        await eventually(all_ready, f"the pods of namespace {RESIDENTS} are not ready", SETUP_WALL_SECONDS)

    async def play(self, fleet: Fleet) -> None:
        """Let the restarts and installations of the fleet's story happen, and wait until the API shows them."""
        fleet.set_scene()
        restarts = {"containerd-restarted": 1, "kata-installed": 0}
        awaited = {
            node.name: restarts[state] for node in fleet.nodes.values() if (state := node.group.state) in restarts
        }

        async def all_shown() -> bool:
            pods = await self._client.get("/api/v1/namespaces/kube-system/pods", labelSelector=f"name={KATA_DEPLOY}")
            shown = {pod["spec"].get("nodeName"): _restarts(pod) for pod in pods["items"]}
            return all(shown.get(name, -1) >= count for name, count in awaited.items())

        await eventually(all_shown, "kata-deploy's restarts are not to be seen in the API", SETUP_WALL_SECONDS)

    async def keep_restarting(self, fleet: Fleet) -> None:
        """Restart containerd on the nodes whose story it is, again and again, until cancelled: a crash-looping upgrade.

        A single restart would be over before a burst on a busy machine is: 20 modelled seconds are one of the wall's.
        """
        names_of = [node.name for node in fleet.nodes.values() if node.group.state == "containerd-restarted"]
        while True:
            await fleet.clock.sleep_until(fleet.clock.now() + RESTART_EVERY_SECONDS)
            for name in names_of:
                fleet.restart_containerd(name)

    async def opt_in(self, workload: Workload, *, opted_in: bool) -> None:
        """The workload's namespaces, with or without the label that makes them a tenant's."""
        for namespace in workload.namespaces:
            await self.ensure_namespace(namespace, opted_in=opted_in)
        for namespace in workload.namespaces:
            if opted_in and profile_of(namespace):
                await self._wait_until_asked(namespace)

    async def ensure_namespace(self, namespace: Manifest, *, opted_in: bool = True) -> None:
        """The namespace with its labels and its service account; `opted_in` False takes the profile's label off."""
        name, path = namespace["metadata"]["name"], f"/api/v1/namespaces/{namespace['metadata']['name']}"
        labels: dict[str, str | None] = dict(namespace["metadata"].get("labels") or {})
        if not opted_in and names.PROFILE_LABEL in labels:
            labels[names.PROFILE_LABEL] = None
        try:
            await self._client.patch(path, {"metadata": {"labels": labels}})
        except NotFound:
            present = {key: value for key, value in labels.items() if value is not None}
            body = {**namespace, "metadata": {**namespace["metadata"], "labels": present}}
            await self._client.create("/api/v1/namespaces", body)

        async def has_account() -> bool:
            try:
                await self._client.get(f"{path}/serviceaccounts/default")
            except NotFound:
                return False
            return True

        await eventually(has_account, f"namespace {name} got no service account `default`", SETUP_WALL_SECONDS)

    async def _wait_until_asked(self, namespace: Manifest) -> None:
        """Until pods of this namespace get all that its profile says.

        The API server learns of labels by a watch of its own, and the webhook writes a gate or a scheduler of Stoker's
        only once it has seen their Leases renewed.
        """
        name, wanted = namespace["metadata"]["name"], await self._wanted(profile_of(namespace))

        async def is_complete() -> bool:
            try:
                pod = await self._client.create(f"/api/v1/namespaces/{name}/pods", PROBE, dryRun="All")
            except ApiError as error:
                return f'webhook "{WEBHOOK}"' in str(error)  # refused, so somebody was asked
            return names.PROFILE_ANNOTATION in pod["metadata"].get("annotations", {}) and all(
                pod["spec"].get(key) == value for key, value in wanted.items()
            )

        complaint = f"pods of namespace {name} do not get what its profile says"
        for _ in range(PROBES):  # the replicas behind the balancer learn of it one by one
            await eventually(is_complete, complaint, SETUP_WALL_SECONDS)

    async def _wanted(self, profile: str | None) -> dict[str, Any]:
        """What a profile that exists writes into every pod's spec as it is."""
        try:
            spec = (await self._client.get(f"/apis/{names.API_VERSION}/tenantprofiles/{profile}"))["spec"]
        except NotFound:
            return {}
        wanted = {"schedulerName": spec.get("schedulerName"), "schedulingGates": _gates(spec)}
        return {key: value for key, value in wanted.items() if value}

    def _resident(self, node: str) -> Manifest:
        images, load = self._constants.images, self._constants.demo.load.tenant
        containers = [
            {"name": f"image-{number}", "image": images[name].reference, "imagePullPolicy": "IfNotPresent"}
            for number, name in enumerate(dict.fromkeys((load.image, load.init_image)))
        ]
        spec = {"nodeName": node, "containers": containers}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"resident-{node}"}, "spec": spec}


def _gates(spec: dict[str, Any]) -> list[dict[str, str]]:
    return [{"name": gate} for gate in spec.get("schedulingGates", ())]


def _restarts(pod: Manifest) -> int:
    """How often the pod's container was restarted; -1 while it does not run."""
    statuses = pod.get("status", {}).get("containerStatuses", [])
    return max((item["restartCount"] for item in statuses if "running" in item["state"]), default=-1)


def _is_ready(pod: Manifest) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)
