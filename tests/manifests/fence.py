"""A cluster with the policies and without Stoker: no webhook answers, no replica runs, and they must hold all the same."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from cluster.access import load_access
from cluster.client import ApiClient
from lab.controlplane import ControlPlane
from lab.stage import apply, eventually
from manifests.loader import load
from model import names
from model.errors import ApiError
from tests.builders import container

Document = dict[str, Any]

PROFILE: Final = "fenced"
CLASS: Final = "kata-fenced"
OTHER_CLASS: Final = "other"
TENANT: Final = "tenant"
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
        await apply(self.control_plane, [{**profile, "spec": spec}])
        await self.namespace(TENANT, {names.PROFILE_LABEL: PROFILE})
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
        """An unprivileged user: `edit` in the tenants' namespace and in a free one."""
        for namespace in (TENANT, FREE):
            await self.control_plane.kubectl(
                "create", "rolebinding", "editor", "--clusterrole=edit", "--user=editor", f"--namespace={namespace}"
            )
        return await self.user("editor")

    async def grant(self, user: str, rules: Sequence[Document]) -> None:
        """A ClusterRole of these rules, bound to the user."""
        group = "rbac.authorization.k8s.io"
        role = {"apiVersion": f"{group}/v1", "kind": "ClusterRole", "metadata": {"name": user}, "rules": list(rules)}
        binding = {
            **{"apiVersion": f"{group}/v1", "kind": "ClusterRoleBinding", "metadata": {"name": user}},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": user},
            "subjects": [{"kind": "User", "apiGroup": group, "name": user}],
        }
        await apply(self.control_plane, [role, binding])

    async def in_effect(self, widened: ApiClient) -> None:
        """Wait until the API server has taken up every policy: it does so a moment after they are stored."""
        shipped = [item["metadata"]["name"] for item in load("base") if item["kind"] == "ValidatingAdmissionPolicy"]
        probes = {
            "stoker-classes": (f"/api/v1/namespaces/{TENANT}/pods", pod(runtimeClassName=None)),
            "stoker-daemonsets": (
                f"/apis/apps/v1/namespaces/{TENANT}/daemonsets",
                daemon_set("probe", runtimeClassName=None),
            ),
            "stoker-creation": (f"/api/v1/namespaces/{TENANT}/pods", pod(nodeName="probe")),
            "stoker-namespaces": ("/api/v1/namespaces", node("probe", labels={names.PROFILE_LABEL: PROFILE})),
            "stoker-nodes": ("/api/v1/nodes", node("probe", labels={"stoker.dev/warm": "true"})),
            "stoker-bindings": (
                f"/api/v1/namespaces/{TENANT}/pods/probed/binding",
                {"metadata": {"name": "probed"}, "target": {"kind": "Node", "name": "probe"}},
            ),
        }
        assert {*probes, "stoker-changes"} == set(shipped)
        pods = f"/api/v1/namespaces/{TENANT}/pods"
        await self.administrator.create(pods, pod("probed"))

        async def changes() -> None:
            body = {"metadata": {"annotations": {names.FORECAST_ANNOTATION: "{}"}}}
            await widened.patch(f"{pods}/probed", body, dryRun="All")

        await asyncio.gather(
            *(
                eventually(lambda p=path, b=body, n=name: _refused(widened.create(p, b, dryRun="All"), n), name, 60)  # type: ignore[misc]
                for name, (path, body) in probes.items()
            ),
            eventually(lambda: _refused(changes(), "stoker-changes"), "stoker-changes", EFFECT_SECONDS),
        )
        await self.administrator.delete(f"{pods}/probed", {"gracePeriodSeconds": 0})

    async def close(self) -> None:
        for client in self.clients:
            await client.close()


async def _refused(attempt: Any, policy: str) -> bool:
    with suppress(ApiError):
        try:
            await attempt
        except ApiError as error:
            return f"ValidatingAdmissionPolicy '{policy}'" in str(error)
    return False
