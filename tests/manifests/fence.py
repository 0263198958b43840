"""A cluster with the policies and without Stoker: no webhook answers, no replica runs, and they hold all the same."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from cluster.access import load_access
from cluster.client import ApiClient
from lab.controlplane import ControlPlane
from lab.stage import apply, eventually
from lab.toolchain import Programs
from manifests.loader import load
from model import names
from model.errors import ApiError
from tests.builders import container

Document = dict[str, Any]
Probe = Callable[[], Awaitable[Any]]

PROFILE: Final = "fenced"
CLASS: Final = "kata-fenced"
OTHER_CLASS: Final = "other"
TENANT: Final = "tenant"
PEER_PROFILE: Final = "fenced-peers"
PEERS: Final = "peers"
FREE: Final = "free"
WITHOUT: Final = ("MutatingWebhookConfiguration", "Deployment", "CronJob", "PodDisruptionBudget", "Service")
EFFECT_SECONDS: Final = 60.0

WIDENED: Final[Sequence[Document]] = (
    {
        "apiGroups": [""],
        "resources": [
            *("pods", "pods/status", "pods/binding", "bindings", "pods/ephemeralcontainers", "pods/resize"),
            *("namespaces", "namespaces/status", "namespaces/finalize", "nodes", "nodes/status"),
        ],
        "verbs": ["*"],
    },
    {"apiGroups": ["apps"], "resources": ["*"], "verbs": ["*"]},
)
"""Everything that an attempt could need of RBAC, everywhere; nothing of stoker.dev."""


def pod(name: str = "agent", **spec: Any) -> Document:
    """A tenant's pod as the webhook would have left it but for the gate."""
    members = {"containers": [container()], "runtimeClassName": CLASS, **spec}
    return {"metadata": {"name": name}, "spec": {key: value for key, value in members.items() if value is not None}}


def daemon_set(name: str, **spec: Any) -> Document:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": pod(**spec)["spec"]}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }


def node(name: str, **metadata: Any) -> Document:
    return {"metadata": {"name": name, **metadata}}


@dataclass(slots=True)
class Fence:
    """The cluster, and clients of those who try."""

    control_plane: ControlPlane
    administrator: ApiClient
    clients: list[ApiClient] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    @classmethod
    @asynccontextmanager
    async def start(cls, directory: Path, programs: Programs) -> AsyncIterator[Fence]:
        """A control plane of its own, with nothing installed."""
        running = await ControlPlane.up(directory, programs)
        try:
            async with ApiClient(await load_access(running.admin_kubeconfig)) as administrator:
                made = cls(running, administrator)
                yield made
                await made.close()
        finally:
            await running.down()

    async def install(self) -> None:
        await apply(self.control_plane, [item for item in load("default") if item["kind"] not in WITHOUT])
        await self.control_plane.kubectl(
            "wait", "--for=condition=Established", "crd/tenantprofiles.stoker.dev", "--timeout=30s"
        )
        await apply(
            self.control_plane,
            [
                {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": name}, "handler": "kata"}
                for name in (CLASS, OTHER_CLASS)
            ],
        )
        spec = {"runtimeClassName": CLASS, "runtimeClassPolicy": "Enforce"}
        profile = {"apiVersion": names.API_VERSION, "kind": "TenantProfile", "metadata": {"name": PROFILE}}
        peers = {**profile, "metadata": {"name": PEER_PROFILE}, "spec": {**spec, "peerPods": {"enabled": True}}}
        await apply(self.control_plane, [{**profile, "spec": spec}, peers])
        await self.namespace(TENANT, {names.PROFILE_LABEL: PROFILE})
        await self.namespace(PEERS, {names.PROFILE_LABEL: PEER_PROFILE})
        await self.namespace(FREE, {})

    async def namespace(self, name: str, labels: dict[str, str]) -> None:
        await self.administrator.create("/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
        await self.control_plane.kubectl("wait", "--for=create", "serviceaccount/default", f"--namespace={name}")

    def number(self) -> str:
        """What makes a name that nobody has yet."""
        return str(next(self._numbers))

    async def user(self, name: str, groups: Sequence[str] = ()) -> ApiClient:
        """Somebody with a client certificate; RBAC decides what they may do."""
        client = ApiClient(await load_access(self.control_plane.kubeconfig_for(name, groups)))
        self.clients.append(client)
        return client

    async def account(self, name: str) -> ApiClient:
        """A service account of Stoker's."""
        token = await self.control_plane.kubectl("create", "token", name, f"--namespace={names.NAMESPACE}")
        kubeconfig = self.control_plane.kubeconfig_for_token(token.strip(), name)
        client = ApiClient(await load_access(kubeconfig))
        self.clients.append(client)
        return client

    async def editor(self) -> ApiClient:
        """An unprivileged user: `edit` in the tenants' namespaces and in a free one."""
        for namespace in (TENANT, PEERS, FREE):
            await self.control_plane.kubectl(
                "create", "rolebinding", "editor", "--clusterrole=edit", "--user=editor", f"--namespace={namespace}"
            )
        return await self.user("editor")

    async def grant(self, user: str, rules: Sequence[Document]) -> None:
        """A ClusterRole of these rules, bound to the user."""
        group = "rbac.authorization.k8s.io"
        role = {"apiVersion": f"{group}/v1", "kind": "ClusterRole", "metadata": {"name": user}, "rules": list(rules)}
        binding = {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": user},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": user},
            "subjects": [{"kind": "User", "apiGroup": group, "name": user}],
        }
        await apply(self.control_plane, [role, binding])

    async def in_effect(self, widened: ApiClient) -> None:
        """Wait until the API server has taken up every policy: it does so a moment after they are stored."""
        pods, daemon_sets = f"/api/v1/namespaces/{TENANT}/pods", f"/apis/apps/v1/namespaces/{TENANT}/daemonsets"
        await self.administrator.create(pods, pod("probed"))
        target = {"metadata": {"name": "probed"}, "target": {"kind": "Node", "name": "probe"}}
        annotation = {"metadata": {"annotations": {names.FORECAST_ANNOTATION: "{}"}}}
        probes: dict[str, Probe] = {
            "stoker-classes": lambda: widened.create(pods, pod(runtimeClassName=None), dryRun="All"),
            "stoker-daemonsets": lambda: widened.create(daemon_sets, _daemons(runtimeClassName=None), dryRun="All"),
            "stoker-templates": lambda: widened.create(daemon_sets, _daemons(nodeName="probe"), dryRun="All"),
            "stoker-creation": lambda: widened.create(pods, pod(nodeName="probe"), dryRun="All"),
            "stoker-peerpods": lambda: widened.create(pods, _remembering(), dryRun="All"),
            "stoker-changes": lambda: widened.patch(f"{pods}/probed", annotation, dryRun="All"),
            "stoker-bindings": lambda: widened.create(f"{pods}/probed/binding", target, dryRun="All"),
            "stoker-namespaces": lambda: widened.create(
                "/api/v1/namespaces", _marked(names.PROFILE_LABEL), dryRun="All"
            ),
            "stoker-nodes": lambda: widened.create("/api/v1/nodes", _marked("stoker.dev/warm"), dryRun="All"),
        }
        shipped = {item["metadata"]["name"] for item in load("base") if item["kind"] == "ValidatingAdmissionPolicy"}
        assert set(probes) == shipped
        for policy, probe in probes.items():
            await eventually(partial(_refused, probe, policy), f"{policy} is not in effect", EFFECT_SECONDS)
        await self.administrator.delete(f"{pods}/probed", {"gracePeriodSeconds": 0})

    async def close(self) -> None:
        for client in self.clients:
            await client.close()


def _daemons(**spec: Any) -> Document:
    return daemon_set("probe", **spec)


def _remembering() -> Document:
    document = pod("probe")
    document["metadata"]["annotations"] = {names.PEER_POD_ANNOTATION: "{}"}
    return document


def _marked(label: str) -> Document:
    return node("probe", labels={label: PROFILE})


async def _refused(probe: Probe, policy: str) -> bool:
    try:
        await probe()
    except ApiError as error:
        return f"ValidatingAdmissionPolicy '{policy}'" in str(error)
    return False
