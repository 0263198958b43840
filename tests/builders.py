"""Builders of what tests are about: objects in the shape the API server sends them, and the model's values."""

from __future__ import annotations

from typing import Any

from model.nodes import NodeFacts
from model.pods import PodNeeds, needs
from model.profiles import ProfileSpec, TenantProfile

DIGEST = "sha256:" + "0123456789abcdef" * 4


def container(name: str = "agent", image: str = "registry.example/agent:v1.4.2", **members: Any) -> dict[str, Any]:
    """As the API server defaults it; `imagePullPolicy=None` leaves the member out."""
    defaulted = {"name": name, "image": image, "imagePullPolicy": "IfNotPresent", **members}
    return {key: value for key, value in defaulted.items() if value is not None}


def pod(
    name: str = "agent-1",
    *containers: dict[str, Any],
    namespace: str = "tenant-a",
    metadata: dict[str, Any] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    """A pod of one container if none are given; `metadata` and `spec` members are added as they are."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, **(metadata or {})},
        "spec": {"containers": list(containers or (container(),)), "schedulerName": "default-scheduler", **spec},
    }


def profile(name: str = "kata-agents", **spec: Any) -> TenantProfile:
    """A TenantProfile with these members of spec, spelled as in YAML; without any, one that only rewrites Always."""
    neutral = {"runtimeClassPolicy": "Default", "architecture": {"policy": "Ignore"}, "schedulingGates": []}
    return TenantProfile.from_spec(name, {**neutral, **spec})


def review(subject: dict[str, Any] | None, *, uid: str = "705ab4f5-6393-11e8", **request: Any) -> dict[str, Any]:
    """An AdmissionReview of a pod's creation; members of the request may be replaced."""
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": uid,
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "operation": "CREATE",
            "namespace": "tenant-a",
            "userInfo": {"username": "someone", "groups": ["system:authenticated"]},
            "object": subject,
            "oldObject": None,
            "dryRun": False,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
            **request,
        },
    }


AGENT_IMAGE = "registry.example/agent:v1.4.2"
AGENT_IMAGE_BYTES = 1_130_000_000


def node(name: str = "warm", **facts: Any) -> NodeFacts:
    """A warm amd64 node that has been up since the beginning; any of its facts may be replaced."""
    warm: dict[str, Any] = {
        "architecture": "amd64",
        "ready": True,
        "handlers": frozenset({"", "runc", "kata-qemu"}),
        "kata_label": "true",
        "images": frozenset({AGENT_IMAGE}),
    }
    return NodeFacts(name=name, **{**warm, **facts})


def demand(*images: str, handler: str = "kata-qemu", init: bool = False) -> PodNeeds:
    """What a Kata pod of one container needs, if no images are given."""
    return needs(handler, images or (AGENT_IMAGE,), has_init_containers=init)


def priors(**spec: Any) -> ProfileSpec:
    """A profile's spec with these members, spelled as in YAML; without any, the first seed's figures."""
    return TenantProfile.from_spec("kata-agents", {"runtimeClassName": "kata-qemu", **spec}).spec


class Sizes(dict[str, int]):
    """Sizes of images in bytes, the same on every architecture."""

    def bytes_of(self, image: str, architecture: str) -> int | None:  # noqa: ARG002 - the protocol's signature
        return self.get(image)
