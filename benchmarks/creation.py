"""The bench `create`: what each webhook adds to the creation of a pod at the real API server.

The same 20 KB pod goes to three namespaces in turn: one that no webhook is asked about, Stoker's, and the opponent's.
Both webhooks are registered by the shipped configuration, but for where they are and whose namespaces are theirs. There
are no policies: what they cost is not the webhook's, and they ask more of pods in Stoker's namespaces than of others.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from benchmarks import floors
from benchmarks.documents import REVIEWED_POD_BYTES, new_pod
from benchmarks.installation import ASKER, POLICIES, Installation
from benchmarks.load import NUMBER, Answers, Load, Trust, in_turn
from benchmarks.parties import Party, go_webhook, stoker_webhook
from benchmarks.report import Bench, Comparison, middle
from benchmarks.setting import Setting
from cluster.client import ApiClient
from lab.credentials import Credentials
from lab.stage import apply, eventually
from lab.toolchain import find_or_build
from lab.workload import TENANT_NAMESPACE
from manifests.loader import load
from model import names
from model.errors import ApiError

NAMESPACES: Final = {"plain": "plain", "ours": TENANT_NAMESPACE, "theirs": "tenant-of-go"}
REQUESTS: Final = 250
WARM_UP_SECONDS: Final = 30.0
THEIR_LABEL: Final = "bench.stoker.dev/go"


@dataclass(frozen=True, slots=True)
class Additions:
    """Milliseconds that each side adds at the median of a round."""

    plain: float
    ours: float
    theirs: float


@asynccontextmanager
async def _cluster(setting: Setting) -> AsyncIterator[Installation]:
    """Both webhooks run, are registered, and change the pods of their namespaces."""
    async with AsyncExitStack() as stack:
        setting.tell("starting a control plane and both webhooks")
        installation = await stack.enter_async_context(
            Installation.start(find_or_build(), setting.constants, without=POLICIES)
        )
        await stack.enter_async_context(installation.attended())
        await installation.namespace(NAMESPACES["plain"], {})
        await installation.namespace(NAMESPACES["theirs"], {THEIR_LABEL: "true"})
        credentials = Credentials(setting.directory / "credentials", now=datetime.now(UTC))
        files = credentials.serving_files("webhook")
        kubeconfig = await installation.kubeconfig("stoker")
        ours = await stack.enter_async_context(stoker_webhook(kubeconfig, setting.directory, files))
        theirs = await stack.enter_async_context(go_webhook(setting.opponents.webhook, setting.directory, files))
        labelled = ((ours, names.PROFILE_LABEL), (theirs, THEIR_LABEL))
        configurations = [_configuration(party, label, credentials.ca_pem) for party, label in labelled]
        await apply(installation.control_plane, configurations)
        await eventually(lambda: _is_changed(installation.client), "the pods are not changed alike", WARM_UP_SECONDS)
        yield installation


def _configuration(party: Party, label: str, ca_pem: bytes) -> dict[str, Any]:
    """The shipped one, for another address and the namespaces with this label."""
    document = next(item for item in load("base") if item["kind"] == "MutatingWebhookConfiguration")
    document["metadata"] = {"name": party.process.name}
    client = {"url": f"{party.url}/mutate", "caBundle": base64.b64encode(ca_pem).decode()}
    selector = {"matchExpressions": [{"key": label, "operator": "Exists"}]}
    document["webhooks"][0] |= {"clientConfig": client, "namespaceSelector": selector}
    return document


async def _is_changed(client: ApiClient) -> bool:
    """Whether both sides' pods come out of the API server alike, with class, gate and scheduler."""
    specs = []
    for namespace in (NAMESPACES["ours"], NAMESPACES["theirs"]):
        body = msgspec.json.decode(_body(namespace).replace(NUMBER.encode(), b"probe"))
        try:
            stored = await client.create(f"/api/v1/namespaces/{namespace}/pods", body, dryRun="All")
        except ApiError:
            return False
        specs.append(stored["spec"])
    return specs[0] == specs[1] and bool(specs[0].get("schedulingGates"))


def _sides(
    setting: Setting, installation: Installation, trust: Trust
) -> Mapping[str, Callable[[], Awaitable[Answers]]]:
    generator, server = setting.generator(), installation.control_plane.server_url

    def creating(namespace: str) -> Callable[[], Awaitable[Answers]]:
        pods = Load([_body(namespace)], requests=REQUESTS, seconds=setting.seconds)
        return lambda: generator.send(f"{server}/api/v1/namespaces/{namespace}/pods", pods, trust)

    return {name: creating(namespace) for name, namespace in NAMESPACES.items()}


def _body(namespace: str) -> bytes:
    pod = new_pod(REVIEWED_POD_BYTES)
    pod["metadata"]["namespace"] = namespace
    return msgspec.json.encode(pod)


async def create(setting: Setting) -> Bench:
    async with _cluster(setting) as installation:
        authority = setting.directory / "apiserver-ca.crt"
        authority.write_bytes(installation.control_plane.ca_pem)
        trust = Trust(authority, await installation.token(ASKER))
        setting.tell("creating pods in three namespaces in turn")
        found = await in_turn(_sides(setting, installation, trust), setting.rounds)
    rounds = [
        Additions(plain.p50, ours.p50 - plain.p50, theirs.p50 - plain.p50)
        for plain, ours, theirs in zip(found["plain"], found["ours"], found["theirs"], strict=True)
    ]
    return judge(rounds)


def judge(rounds: list[Additions]) -> Bench:
    ours, theirs = middle([item.ours for item in rounds]), middle([item.theirs for item in rounds])
    rows = [
        {"plain": round(item.plain, 3), "ours": round(item.ours, 3), "theirs": round(item.theirs, 3)} for item in rounds
    ]
    return Bench(
        "create",
        Comparison(ours, theirs, floors.CREATE_P50, less_is_better=True),
        details={"unit": "milliseconds added to the median create", "rounds": rows},
    )
