"""A control plane of the lab with what of the manifests a bench needs, and accounts for both sides."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from cluster.access import load_access
from cluster.client import ApiClient
from cluster.leases import LeaseName
from lab.commandlines import ControlPlaneSettings
from lab.constants import Constants
from lab.controlplane import ControlPlane
from lab.scene import sample_profile
from lab.simulation.objects import RUNTIME_CLASSES, runtime_class
from lab.stage import TOKEN_SECONDS, apply
from lab.toolchain import Programs
from lab.workload import TENANT_NAMESPACE
from manifests.loader import load
from model import names

RENEW_SECONDS: Final = 2.0
WEBHOOKS: Final = "MutatingWebhookConfiguration"
POLICIES: Final = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
ASKER: Final = "bench"
"""The service account that creates pods; it may do everything."""


@dataclass(frozen=True, slots=True)
class Installation:
    control_plane: ControlPlane
    client: ApiClient

    @classmethod
    @asynccontextmanager
    async def start(
        cls, programs: Programs, constants: Constants, *, without: Collection[str] = ()
    ) -> AsyncIterator[Installation]:
        """Without webhook configurations: who is asked about pods is the bench's to say. No controller runs.

        `without` names other kinds that are left out.
        """
        async with AsyncExitStack() as stack:
            settings = ControlPlaneSettings(controller_manager=False)
            control_plane = await stack.enter_async_context(ControlPlane.start(programs, settings))
            client = await stack.enter_async_context(ApiClient(await load_access(control_plane.admin_kubeconfig)))
            installation = cls(control_plane, client)
            await installation._install(constants, {WEBHOOKS, *without})
            yield installation

    async def namespace(self, name: str, labels: dict[str, str]) -> None:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        await apply(self.control_plane, [body])

    async def token(self, account: str) -> str:
        path = f"/api/v1/namespaces/{names.NAMESPACE}/serviceaccounts/{account}/token"
        answer = await self.client.create(path, {"spec": {"expirationSeconds": TOKEN_SECONDS}})
        return str(answer["status"]["token"])

    async def kubeconfig(self, account: str) -> Path:
        return self.control_plane.kubeconfig_for_token(await self.token(account), account)

    async def collect_garbage(self) -> None:
        """In the API server, so that no burst pays for what was before it: 5,000 nodes that were listed, say."""
        await self.client.get_bytes("/debug/pprof/heap", gc=1)

    @asynccontextmanager
    async def attended(self) -> AsyncIterator[None]:
        """While the block runs, the Leases of Stoker's controllers and scheduler are renewed by somebody."""
        leases = [LeaseName(names.NAMESPACE, name) for name in (names.CONTROLLERS_LEASE, names.SCHEDULER)]
        await apply(self.control_plane, [_lease(lease) for lease in leases])

        async def renew() -> None:
            while True:
                await asyncio.sleep(RENEW_SECONDS)
                for lease in leases:
                    await self.client.patch(lease.path, {"spec": _lease(lease)["spec"]})

        renewing = asyncio.create_task(renew())
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)

    async def _install(self, constants: Constants, without: Collection[str]) -> None:
        bundle = [item for item in load("base") if item["kind"] not in without]
        await apply(self.control_plane, [*bundle, *_account()])
        established = ("wait", "--for=condition=Established", "crd/tenantprofiles.stoker.dev", "--timeout=30s")
        await self.control_plane.kubectl(*established)
        profile = sample_profile(constants)
        await apply(self.control_plane, [profile])
        await self.namespace(TENANT_NAMESPACE, {names.PROFILE_LABEL: profile["metadata"]["name"]})
        await self.client.create(RUNTIME_CLASSES, runtime_class(constants))


def _account() -> list[dict[str, Any]]:
    group = "rbac.authorization.k8s.io"
    subject = {"kind": "ServiceAccount", "name": ASKER, "namespace": names.NAMESPACE}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ASKER, "namespace": names.NAMESPACE}},
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": ASKER},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [subject],
        },
    ]


def _lease(lease: LeaseName) -> dict[str, Any]:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": lease.name, "namespace": lease.namespace},
        "spec": {"holderIdentity": "bench", "renewTime": now, "leaseDurationSeconds": 15},
    }
