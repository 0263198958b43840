"""The two writes of a placement, each with preconditions: the nomination, then the gate.

The nomination and the forecast's annotation travel in one update of `pods/status`; taking the gate away is the second
write. Both carry the pod's uid and the resourceVersion that the decision was made on, so a pod that was edited, deleted
or bound meanwhile is left alone. The pod is written back whole, as it was read, which costs the API server less than a
patch; answers are metadata alone, to keep a burst's bytes small; and the second write waits until the watch has shown
the first (docs/decisions/0011-a-burst-spares-the-api-server.md).

Where a nomination of ours ends, its annotation goes too: a node that kube-scheduler nominates there, because it
preempts, must not pass for ours. Gates and nominations of others stay as they are.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from cluster import wire
from cluster.client import ApiClient
from model import names
from placement.ownership import is_ours

Seen = Callable[[str, str], Awaitable[None]]
"""Waits, not for long, until the pod of a uid is seen at a resourceVersion (`cluster.waiting.WaitingPods.seen`)."""


class GateKeeper:
    """Writes; each method raises Conflict where the pod is not what it was, NotFound where it is gone.

    Each returns the pod's new resourceVersion, which is the old one where the pod was like that already. Pods need
    their documents (`cluster.waiting.keep_document`).
    """

    def __init__(self, client: ApiClient, seen: Seen | None = None) -> None:
        self._client = client
        self._seen = seen

    async def nominate(self, pod: wire.Pod, node: str, forecast: str) -> str:
        """Name the node, then open our gate: the scheduler tries that node first, and finds it reserved."""
        draft = _Draft(pod)
        draft.status["nominatedNodeName"] = node
        version = await self._write_status(pod, draft, forecast)
        if self._seen is not None:
            await self._seen(pod.metadata.uid, version)
        return await self._open(pod, draft)

    async def let_through(self, pod: wire.Pod) -> str:
        """Open our gate; a nomination of ours goes first, or autoscalers would take the pod for served."""
        draft = _Draft(pod)
        if is_ours(pod):
            await self._clear(pod, draft)
        draft.tell(None)
        return await self._open(pod, draft)

    async def finish(self, pod: wire.Pod) -> str:
        """Open the gate of a pod that was nominated by somebody who did not get further."""
        return await self._open(pod, _Draft(pod))

    async def clear(self, pod: wire.Pod) -> str:
        """Take the nomination back."""
        return await self._clear(pod, _Draft(pod))

    async def disown(self, pod: wire.Pod) -> str:
        """Take the forecast off: what the scheduler nominates does not pass for ours."""
        return await self._write_status(pod, _Draft(pod), None)

    async def annotate(self, pod: wire.Pod, forecast: str) -> str:
        """Tell on the pod what it waits for."""
        return await self._write_status(pod, _Draft(pod), forecast)

    async def _clear(self, pod: wire.Pod, draft: _Draft) -> str:
        draft.status.pop("nominatedNodeName", None)
        return await self._write_status(pod, draft, None)

    async def _open(self, pod: wire.Pod, draft: _Draft) -> str:
        """Remove our gate; those of others stay."""
        draft.open_gate()
        return await self._client.update_for_version(_path(pod), draft.body)

    async def _write_status(self, pod: wire.Pod, draft: _Draft, forecast: str | None) -> str:
        """The status, and the forecast's annotation or none; the draft becomes one of the pod as it is then."""
        draft.tell(forecast)
        version = await self._client.update_for_version(f"{_path(pod)}/status", draft.body)
        draft.metadata["resourceVersion"] = version
        return version


class _Draft:
    """A pod as it was read, to be changed and written back: what we do not know of stays as it is.

    The record of field managers is left out, and so the API server goes on with its own.
    """

    def __init__(self, pod: wire.Pod) -> None:
        self.body: dict[str, Any] = {**msgspec.json.decode(pod.document), "apiVersion": "v1", "kind": "Pod"}
        self.metadata: dict[str, Any] = self.body["metadata"]
        self.metadata.pop("managedFields", None)
        self.status: dict[str, Any] = self.body.setdefault("status", {})

    def tell(self, forecast: str | None) -> None:
        """Set the forecast's annotation, or take it off."""
        annotations = self.metadata.setdefault("annotations", {})
        annotations.pop(names.FORECAST_ANNOTATION, None)
        if forecast is not None:
            annotations[names.FORECAST_ANNOTATION] = forecast

    def open_gate(self) -> None:
        gates = self.body["spec"].get("schedulingGates", [])
        self.body["spec"]["schedulingGates"] = [gate for gate in gates if gate["name"] != names.WARM_NODE_GATE]


def _path(pod: wire.Pod) -> str:
    return f"/api/v1/namespaces/{pod.metadata.namespace}/pods/{pod.metadata.name}"
