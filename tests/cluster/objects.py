"""Objects as a watch brings them, decoded; each builder takes members in the API's own spelling."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from cluster import wire

T = TypeVar("T", bound=wire.Object)

CREATED = "2026-03-03T10:00:00Z"


def decoded(kind: type[T], document: dict[str, Any]) -> T:
    raw = msgspec.json.encode(document)
    item = msgspec.json.decode(raw, type=kind)
    if isinstance(item, wire.Pod):
        item.document = raw
    return item


def node_document(
    name: str = "n1",
    *,
    images: list[dict[str, Any]] | None = None,
    handlers: list[str] | None = None,
    ready: str | None = "True",
    metadata: dict[str, Any] | None = None,
    **status: Any,
) -> dict[str, Any]:
    """A Ready amd64 node; `ready=None` leaves the condition out."""
    conditions = [] if ready is None else [{"type": "Ready", "status": ready}]
    reported: dict[str, Any] = {"conditions": conditions, "images": images or [], "nodeInfo": {"architecture": "amd64"}}
    if handlers is not None:
        reported["runtimeHandlers"] = [{"name": handler} for handler in handlers]
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", "creationTimestamp": CREATED, **(metadata or {})},
        "status": {**reported, **status},
    }


def node(name: str = "n1", **members: Any) -> wire.Node:
    return decoded(wire.Node, node_document(name, **members))


def image(name: str, size_bytes: int = 1_000_000) -> dict[str, Any]:
    return {"names": [name], "sizeBytes": size_bytes}


def status_of(name: str, state: str = "running", *, restarts: int = 0, image_id: str = "") -> dict[str, Any]:
    """A container's status; `state` is waiting, running or terminated."""
    details = {"running": {"startedAt": CREATED}, "terminated": {"exitCode": 0}, "waiting": {"reason": "Creating"}}
    return {"name": name, "restartCount": restarts, "imageID": image_id, "state": {state: details[state]}}


def pod(
    name: str = "p1",
    *,
    on: str = "",
    images: tuple[str, ...] = ("agent:v1",),
    uid: str = "",
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    spec: dict[str, Any] | None = None,
    **status: Any,
) -> wire.Pod:
    """A pod with a container c0, c1, ... for each image, bound to the node `on` if one is named."""
    metadata = {
        "name": name,
        "namespace": "tenant-a",
        "uid": uid or f"uid-{name}",
        "creationTimestamp": CREATED,
        "labels": labels or {},
        "annotations": annotations or {},
    }
    containers = [{"name": f"c{index}", "image": reference} for index, reference in enumerate(images)]
    bound = {"nodeName": on} if on else {}
    return decoded(
        wire.Pod,
        {"metadata": metadata, "spec": {"containers": containers, **bound, **(spec or {})}, "status": status},
    )


def event(
    name: str = "e1",
    *,
    host: str = "",
    at: str | None = CREATED,
    first: str | None = None,
    about: tuple[str, str] = ("Pod", "p1"),
) -> wire.Event:
    kind, subject = about
    return decoded(
        wire.Event,
        {
            "metadata": {"name": name, "namespace": "default"},
            "involvedObject": {"kind": kind, "name": subject},
            "source": {"host": host},
            "firstTimestamp": first,
            "lastTimestamp": at,
        },
    )
