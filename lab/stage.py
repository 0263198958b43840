"""A cluster with Stoker installed, as the manifests install it, on this machine's control plane.

What the Deployments would run runs here as processes, with the tokens of the same service accounts and so with the RBAC
that the manifests grant: two replicas of the webhook behind a TCP balancer (in place of the Service), and the second
scheduler with the extender beside it on loopback. The Deployments themselves have 0 replicas, and the CronJob is
suspended: no simulated node may pretend to run Stoker, nor pull its image in some trials, as the minute may have it,
before the image that a dozen pods wait for. `default-scheduler` knows nothing of Stoker.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import yaml

from cluster.access import load_access
from cluster.client import ApiClient
from lab.balancer import Balancer
from lab.commandlines import LOOPBACK, ControlPlaneSettings
from lab.controlplane import ControlPlane, answers_ok
from lab.processes import POLL_SECONDS, Check, Process, start_on_free_ports
from lab.toolchain import Programs
from manifests.loader import load
from model import names
from model.errors import LabError

WEBHOOK_REPLICAS: Final = 2
TOKEN_SECONDS: Final = 24 * 3600
PUBLICATION_SECONDS: Final = 30.0
LINGER_SECONDS: Final = 3.0
"""Shorter than in a cluster: the balancer here learns of an end at once."""

Progress = Callable[[str], None]


class Stage:
    """The running cluster; everything in it can be stopped, killed and started again one by one."""

    control_plane: ControlPlane
    client: ApiClient
    """As cluster administrator."""

    balancer: Balancer
    extender: Process
    extender_port: int

    def __init__(
        self,
        speed: float,
        progress: Progress,
        settings: ControlPlaneSettings | None = None,
        webhook_options: Sequence[str] = (),
    ) -> None:
        self.speed = speed
        self.webhook_options = webhook_options
        self._settings = settings
        self.webhooks: list[Process] = []
        self._progress = progress

    @classmethod
    @asynccontextmanager
    async def start(
        cls,
        programs: Programs,
        speed: float,
        progress: Progress = lambda _: None,
        settings: ControlPlaneSettings | None = None,
        *,
        webhook_options: Sequence[str] = (),
    ) -> AsyncIterator[Stage]:
        """Up with the block, gone after it. `speed`: modelled seconds in a wall second, as Stoker is told.

        `webhook_options` are further ones of `stoker serve` for the webhook's replicas.
        """
        stage = cls(speed, progress, settings, webhook_options)
        async with AsyncExitStack() as stack:
            await stage._start(programs, stack)
            yield stage

    async def apply(self, objects: Sequence[dict[str, Any]]) -> None:
        """`kubectl apply`, server-side."""
        await apply(self.control_plane, objects)

    async def versions(self) -> dict[str, str]:
        """What the API server and the schedulers say they are."""
        apiserver = await self.client.get("/version")
        scheduler = await asyncio.create_subprocess_exec(
            self.control_plane.programs.kube_scheduler, "--version", stdout=asyncio.subprocess.PIPE
        )
        told, _ = await scheduler.communicate()
        return {"apiserver": apiserver["gitVersion"], "scheduler": told.decode().removeprefix("Kubernetes ").strip()}

    async def _start(self, programs: Programs, stack: AsyncExitStack) -> None:
        self._progress("starting etcd, kube-apiserver and kube-controller-manager")
        self.control_plane = await stack.enter_async_context(ControlPlane.start(programs, self._settings))
        self.client = await stack.enter_async_context(ApiClient(await load_access(self.control_plane.admin_kubeconfig)))
        self.balancer = await stack.enter_async_context(Balancer())
        self._progress("applying the manifests")
        await self.apply([*(self._as_in_the_lab(item) for item in load("default")), _scheduler_binding()])
        await self.control_plane.kubectl(
            "wait", "--for=condition=Established", "crd/tenantprofiles.stoker.dev", "--timeout=30s"
        )
        self._progress("starting Stoker: two webhook replicas, and the extender")
        try:
            await self._start_stoker()
            self._progress("starting the schedulers: default-scheduler, and stoker-scheduler with the extender")
            await self.control_plane.start_scheduler("default-scheduler", {})
            await self.control_plane.start_scheduler(names.SCHEDULER, self._scheduler_configuration())
        except BaseException:
            await self._stop_stoker()
            raise
        stack.push_async_callback(self._stop_stoker)

    async def _start_stoker(self) -> None:
        webhook = await self._token_kubeconfig("stoker")
        sidecar = await self._token_kubeconfig("stoker-scheduler")
        starts = [self._start_webhook(number, webhook) for number in range(WEBHOOK_REPLICAS)]
        *self.webhooks, self.extender = await asyncio.gather(*starts, self._start_extender(sidecar))
        await self._published()

    async def _stop_stoker(self) -> None:
        started = [*self.webhooks, self.extender] if hasattr(self, "extender") else self.webhooks
        await asyncio.gather(*(process.stop() for process in started))

    async def _start_webhook(self, number: int, kubeconfig: str) -> Process:
        def build(ports: Sequence[int]) -> Process:
            self.balancer.backends.append(ports[0])
            listen = ("--webhook-listen", f"{LOOPBACK}:{ports[0]}", *self.webhook_options)
            return self._stoker(f"webhook-{number}", "webhook,controllers", kubeconfig, ports[1], listen)

        return await start_on_free_ports(2, build)

    async def _start_extender(self, kubeconfig: str) -> Process:
        def build(ports: Sequence[int]) -> Process:
            self.extender_port = ports[0]
            listen = ("--insecure-http", "--extender-listen", f"{LOOPBACK}:{ports[0]}")
            return self._stoker("extender", "extender", kubeconfig, ports[1], listen)

        return await start_on_free_ports(2, build)

    def _stoker(self, name: str, roles: str, kubeconfig: str, metrics_port: int, listen: Sequence[str]) -> Process:
        hidden = ("--time-scale", str(self.speed), "--linger-seconds", str(LINGER_SECONDS))
        options = ("--kubeconfig", kubeconfig, *hidden, *listen)
        log = self.control_plane.directory / "logs" / f"{name}.log"
        return serving(name, roles, metrics_port, options, log=log)

    def _as_in_the_lab(self, manifest: dict[str, Any]) -> dict[str, Any]:
        if manifest["kind"] == "Deployment":
            manifest["spec"]["replicas"] = 0
        if manifest["kind"] == "CronJob":
            manifest["spec"]["suspend"] = True
        if manifest["kind"] == "MutatingWebhookConfiguration":
            for webhook in manifest["webhooks"]:
                path = webhook["clientConfig"]["service"]["path"]
                webhook["clientConfig"] = {"url": f"https://{LOOPBACK}:{self.balancer.port}{path}"}
        return manifest

    def _scheduler_configuration(self) -> dict[str, Any]:
        """The second scheduler's configuration as it is shipped, with the extender's port of this run.

        On a machine whose two cores run the whole cluster, half a second is soon over without anybody being slow.
        """
        shipped = next(item for item in load("scheduler") if item["kind"] == "ConfigMap")
        configuration: dict[str, Any] = yaml.safe_load(shipped["data"]["scheduler.yaml"])
        for extender in configuration["extenders"]:
            extender |= {"urlPrefix": f"http://{LOOPBACK}:{self.extender_port}", "httpTimeout": "5s"}
        return configuration

    async def _token_kubeconfig(self, account: str) -> str:
        path = f"/api/v1/namespaces/{names.NAMESPACE}/serviceaccounts/{account}/token"
        answer = await self.client.create(path, {"spec": {"expirationSeconds": TOKEN_SECONDS}})
        return str(self.control_plane.kubeconfig_for_token(answer["status"]["token"], account))

    async def _published(self) -> None:
        """Wait until Stoker has written its CA into the webhook configuration."""
        path = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/" + names.WEBHOOK_CONFIGURATION

        async def published() -> bool:
            configuration = await self.client.get(path)
            return bool(configuration["webhooks"][0]["clientConfig"].get("caBundle"))

        await eventually(published, f"Stoker published no CA; see {self.webhooks[0].log}", PUBLICATION_SECONDS)


def _scheduler_binding() -> dict[str, Any]:
    """The second scheduler's Lease for the lab's schedulers, which are the user system:kube-scheduler."""
    shipped = (item for item in load("scheduler") if item["kind"] == "RoleBinding")
    binding = next(item for item in shipped if item["metadata"]["name"] == "stoker-scheduler-lease")
    binding["metadata"]["name"] = "lab-scheduler-lease"
    group = "rbac.authorization.k8s.io"
    binding["subjects"] = [{"kind": "User", "apiGroup": group, "name": "system:kube-scheduler"}]
    return binding


async def apply(control_plane: ControlPlane, objects: Sequence[dict[str, Any]]) -> None:
    """`kubectl apply`, server-side."""
    text = yaml.safe_dump_all(objects, sort_keys=False)
    await control_plane.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)


async def eventually(check: Check, complaint: str, deadline_seconds: float) -> None:
    """Ask `check` again and again until it holds; LabError with the complaint where it does not in time."""
    try:
        async with asyncio.timeout(deadline_seconds):
            while not await check():  # noqa: ASYNC110 - what is waited for is in another process
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError as error:
        raise LabError(f"within {deadline_seconds:.0f} s: {complaint}") from error


def serving(
    name: str,
    roles: str,
    metrics_port: int,
    options: Sequence[str | Path],
    *,
    log: Path,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Process:
    """`stoker serve` with these roles and options, ready when it says so on that port of loopback."""
    command = [sys.executable, "-m", "cli.main", "serve", "--roles", roles]
    command += ["--metrics-listen", f"{LOOPBACK}:{metrics_port}", *map(str, options)]
    return Process(name, command, log=log, check=is_ready(metrics_port), environment=environment)


def is_ready(metrics_port: int) -> Check:
    """Whether the Stoker process with this metrics port says that it is ready."""
    return answers_ok(f"http://{LOOPBACK}:{metrics_port}/readyz")
