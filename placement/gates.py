"""The two writes of a placement, each with preconditions: the nomination, then the gate.

The nomination and the forecast's annotation travel in one patch of `pods/status`; taking the gate away is the second
write. Both carry the pod's uid and the resourceVersion that the decision was made on, so a pod that was edited, deleted
or bound meanwhile is left alone. Answers are metadata alone, to keep a burst's bytes small; and the second write waits
until the watch has shown the first (docs/decisions/0011-a-burst-spares-the-api-server.md).

Where a nomination of ours ends, its annotation goes too: a node that kube-scheduler nominates there later, because it
preempts, must not pass for ours. Gates and nominations of others stay as they are.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from cluster import wire
from cluster.client import ApiClient
from model import names
from placement.ownership import is_ours

Seen = Callable[[str, str], Awaitable[None]]
"""Waits, not for long, until the pod of a uid is seen at a resourceVersion (`cluster.waiting.WaitingPods.seen`)."""


class GateKeeper:
    """Writes; each method raises Conflict where the pod is not what it was, NotFound where it is gone.

    Each returns the pod's new resourceVersion, which is the old one where the pod was like that already.
    """

    def __init__(self, client: ApiClient, seen: Seen | None = None) -> None:
        self._client = client
        self._seen = seen

    async def nominate(self, pod: wire.Pod, node: str, forecast: str) -> str:
        """Name the node, then open our gate: the scheduler tries that node first, and finds it reserved."""
        version = await self._client.patch_for_version(
            f"{_path(pod)}/status",
            {
                "metadata": {**_precondition(pod), **_annotations(pod, forecast)},
                "status": {"nominatedNodeName": node},
            },
        )
        if self._seen is not None:
            await self._seen(pod.metadata.uid, version)
        return await self._open(pod, version)

    async def let_through(self, pod: wire.Pod) -> str:
        """Open our gate; a nomination of ours goes first, or autoscalers would take the pod for served."""
        version = pod.metadata.resource_version
        if pod.status.nominated_node_name and is_ours(pod):
            version = await self.clear(pod)
        return await self._open(pod, version, _annotations(pod, None))

    async def finish(self, pod: wire.Pod) -> str:
        """Open the gate of a pod that was nominated by somebody who did not get further."""
        return await self._open(pod, pod.metadata.resource_version)

    async def clear(self, pod: wire.Pod) -> str:
        """Take the nomination back."""
        metadata = {**_precondition(pod), **_annotations(pod, None)}
        body = {"metadata": metadata, "status": {"nominatedNodeName": None}}
        return await self._client.patch_for_version(f"{_path(pod)}/status", body)

    async def annotate(self, pod: wire.Pod, forecast: str) -> str:
        """Tell on the pod what it waits for."""
        body = {"metadata": {**_precondition(pod), **_annotations(pod, forecast)}}
        return await self._client.patch_for_version(f"{_path(pod)}/status", body)

    async def _open(self, pod: wire.Pod, version: str, annotations: Mapping[str, Any] = MappingProxyType({})) -> str:
        """Remove our gate; those of others stay."""
        others = without_ours(pod.spec.scheduling_gates)
        metadata = {**_precondition(pod), **annotations, "resourceVersion": version}
        body = {"metadata": metadata, "spec": {"schedulingGates": others or None}}
        return await self._client.patch_for_version(_path(pod), body)


def without_ours(gates: Sequence[wire.SchedulingGate]) -> list[dict[str, str]]:
    return [{"name": gate.name} for gate in gates if gate.name != names.WARM_NODE_GATE]


def _path(pod: wire.Pod) -> str:
    return f"/api/v1/namespaces/{pod.metadata.namespace}/pods/{pod.metadata.name}"


def _annotations(pod: wire.Pod, forecast: str | None) -> dict[str, Any]:
    """The members of a merge patch's metadata that set the forecast's annotation, or take it off where it is."""
    if forecast is None and names.FORECAST_ANNOTATION not in pod.metadata.annotations:
        return {}
    return {"annotations": {names.FORECAST_ANNOTATION: forecast}}


def _precondition(pod: wire.Pod) -> dict[str, Any]:
    return {"uid": pod.metadata.uid, "resourceVersion": pod.metadata.resource_version}
