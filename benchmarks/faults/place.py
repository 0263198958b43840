"""A cluster that asks Stoker about every pod of one namespace, and what the faults of admission do to it."""

from __future__ import annotations

import asyncio
import base64
import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic
from types import MappingProxyType
from typing import Any, Final

from benchmarks.faults.creates import WORKERS, Stream, missing_mutations
from benchmarks.faults.replicas import Replicas
from benchmarks.faults.setting import Setting
from benchmarks.faults.verdicts import Outcome, Trouble
from benchmarks.installation import Installation
from certs.rollover import Phase, phase_of
from certs.store import AuthorityStore
from cluster.access import load_access
from cluster.client import ApiClient
from lab.commandlines import LOOPBACK
from lab.scene import PROBES, sample_profile
from lab.stage import apply, eventually
from lab.workload import tenant_pod
from manifests.loader import load
from model import names
from model.errors import ApiError, Conflict, LabError, StokerError

PROFILE: Final = "faults"
GATE: Final = "faults.example.com/held"
"""Of nobody's: no scheduler runs here, and no controller is to write to ten thousand pods."""

CONNECTIONS: Final = WORKERS + 20

WAIT_SECONDS: Final = 2
"""Between publishing the next CA and using it: one API server, whose watch is not broken, has seen it long before."""

ROLLOVER_SECONDS: Final = 120.0
WARM_UP_SECONDS: Final = 60.0
CONFIGURATIONS: Final = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"

Manifest = dict[str, Any]


@dataclass(slots=True)
class AdmissionPlace:
    """`client` creates the pods; `replicas` are asked about them."""

    setting: Setting
    installation: Installation
    client: ApiClient
    profile: Manifest
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @classmethod
    @asynccontextmanager
    async def start(cls, setting: Setting) -> AsyncIterator[AdmissionPlace]:
        setting.tell("starting a control plane")
        async with AsyncExitStack() as stack:
            installation = await stack.enter_async_context(Installation.start(setting.programs, setting.constants))
            access = await load_access(installation.control_plane.admin_kubeconfig)
            client = await stack.enter_async_context(ApiClient(access, connections=CONNECTIONS))
            profile = faults_profile(sample_profile(setting.constants))
            await apply(installation.control_plane, [_runtime_class(), profile])
            yield cls(setting, installation, client, profile)

    @asynccontextmanager
    async def asking(
        self,
        count: int,
        options: Sequence[str] = (),
        environment: Mapping[str, str] = MappingProxyType({}),
        *,
        roles: str = "webhook,controllers",
        logs: Path | None = None,
        authority_pem: bytes = b"",
    ) -> AsyncIterator[tuple[Replicas, str]]:
        """So many replicas, and a new namespace about whose pods the API server asks them.

        `authority_pem` is for replicas that have their certificate from files, and publish no CA themselves.
        """
        kubeconfig = await self.installation.kubeconfig("stoker")
        kept = logs or self.setting.directory / "logs"
        words = ["--certificate-check-seconds", "1", *options]
        async with Replicas.serve(
            count, kubeconfig, kept, roles=roles, options=words, environment=environment
        ) as replicas:
            await self.client.create(CONFIGURATIONS, _configuration(replicas.balancer.port, authority_pem))
            try:
                yield replicas, await self.tenant(PROFILE)
            finally:
                await self.client.delete(f"{CONFIGURATIONS}/{names.WEBHOOK_CONFIGURATION}")

    async def tenant(self, profile: str) -> str:
        """A new namespace of that profile, which every replica knows already."""
        namespace = f"faults-{next(self._numbers)}"
        await self.installation.namespace(namespace, {names.PROFILE_LABEL: profile})
        for _ in range(PROBES):
            await eventually(lambda: self._is_answered(namespace), "pods are not mutated", WARM_UP_SECONDS)
        return namespace

    @asynccontextmanager
    async def streaming(self, namespace: str, per_second: float, least: int = 1) -> AsyncIterator[Stream]:
        """A steady load while the block runs, of `least` creates; at its end each has succeeded, or was given up."""
        collection = f"/api/v1/namespaces/{namespace}/pods"
        stream = Stream(lambda name: self.client.create(collection, self._pod(name)), per_second, least)
        running = asyncio.create_task(stream.run())
        try:
            yield stream
            stream.enough.set()
            await running
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def send_until_created(self, namespace: str, pod: Manifest) -> None:
        """Try again as long as it is refused."""
        while True:
            try:
                await self.client.create(f"/api/v1/namespaces/{namespace}/pods", pod)
            except Conflict:
                return
            except StokerError:
                await asyncio.sleep(1.0)
            else:
                return

    async def outcome(self, namespace: str, stream: Stream, troubles: Sequence[Trouble]) -> Outcome:
        """With every pod of the namespace looked at; the short form wants no rate, on a machine that others use too."""
        stored = {pod["metadata"]["name"]: pod async for pod in self._pods(namespace)}
        lacking = {name: missing_mutations(pod, self.profile) for name, pod in stored.items()}
        gone = {item.name: ["the pod itself"] for item in stream.creates if item.created and item.name not in stored}
        wrong = {name: words for name, words in lacking.items() if words}
        wanted_rate = 0.0 if self.setting.short else stream.per_second
        return Outcome(stream.creates, stream.rate, troubles, {**wrong, **gone}, wanted_rate)

    async def roll_over(self) -> None:
        """Ask for another CA as `stoker certs rotate` does, and wait until the old one is dropped."""
        store = AuthorityStore(self.client)

        async def asked() -> bool:
            current = await store.read()
            if current is None:
                raise LabError("there is no CA to roll over")
            try:
                await store.replace(replace(current, wait_seconds=WAIT_SECONDS))
            except Conflict:
                return False
            return True

        before = await store.read()
        await eventually(asked, "the CA is written by others all the time", ROLLOVER_SECONDS)

        async def over() -> bool:
            now = await store.read()
            changed = now is not None and before is not None and now.certificate != before.certificate
            return changed and now is not None and phase_of(now) is Phase.STEADY

        await eventually(over, "the CA has not rolled over", ROLLOVER_SECONDS)

    async def _is_answered(self, namespace: str) -> bool:
        """A pod that is not refused for want of anything is mutated as its own profile says."""
        try:
            pod = await self.client.create(f"/api/v1/namespaces/{namespace}/pods", self._pod("probe"), dryRun="All")
        except ApiError:
            return False
        return names.PROFILE_ANNOTATION in pod["metadata"].get("annotations", {})

    async def _pods(self, namespace: str) -> AsyncIterator[Manifest]:
        token = ""
        while True:
            page = await self.client.get(f"/api/v1/namespaces/{namespace}/pods", limit=500, **{"continue": token})
            for pod in page["items"]:
                yield pod
            token = page["metadata"].get("continue", "")
            if not token:
                return

    def _pod(self, name: str) -> Manifest:
        """As an author writes it who knows nothing of Stoker: all that is checked has to come from the webhook."""
        pod = tenant_pod(name, self.setting.constants)
        del pod["metadata"]["namespace"], pod["spec"]["runtimeClassName"], pod["spec"]["initContainers"]
        for container in pod["spec"]["containers"]:
            container["imagePullPolicy"] = "Always"
        return pod


@asynccontextmanager
async def trouble(name: str, kept: list[Trouble], tell: Callable[[str], None]) -> AsyncIterator[None]:
    """Remember when the block began and ended."""
    began_at = monotonic()
    try:
        yield
    finally:
        kept.append(Trouble(name, began_at, monotonic()))
        tell(f"{name}: {monotonic() - began_at:.1f} s")


def faults_profile(sample: Manifest) -> Manifest:
    """The shipped sample, with a gate that nobody opens and the default scheduler, of which none runs."""
    spec = {**sample["spec"], "schedulingGates": [GATE], "runtimeClassName": PROFILE}
    spec.pop("schedulerName", None)
    return {**sample, "metadata": {"name": PROFILE}, "spec": spec}


def _runtime_class() -> Manifest:
    """Without overhead: the API server would write that into the pod after the webhook, and ask a second time."""
    return {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": PROFILE}, "handler": "kata"}


def _configuration(port: int, authority_pem: bytes) -> Manifest:
    """The shipped one, at the balancer."""
    bundle = {"caBundle": base64.b64encode(authority_pem).decode()} if authority_pem else {}
    document = next(item for item in load("base") if item["kind"] == "MutatingWebhookConfiguration")
    for webhook in document["webhooks"]:
        path = webhook["clientConfig"]["service"]["path"]
        webhook["clientConfig"] = {"url": f"https://{LOOPBACK}:{port}{path}", **bundle}
    return document


async def reached(stream: Stream, share: float) -> None:
    """Until that share of the creates has been begun."""
    while stream.share < share:  # noqa: ASYNC110 - the stream goes on by itself
        await asyncio.sleep(0.05)
