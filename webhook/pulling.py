"""Pull policies: an image that the node has is used, unless what is behind its name may have changed."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Literal

from model.errors import InvalidImage
from model.images import parse_image
from model.profiles import ProfileSpec
from webhook.patch import Operation, put
from webhook.pods import Container, Pod

KIND: Final = "image-pull-policy"
ALWAYS: Final = "Always"
IF_NOT_PRESENT: Final = "IfNotPresent"


def rewrite_pull_policies(pod: Pod, profile: ProfileSpec) -> list[Operation]:
    """IfNotPresent where Always stands or would be the default, on containers, init containers and image volumes."""
    if profile.image_pull_policy == "Keep":
        return []
    tags, spec = profile.mutable_tags, pod.spec
    operations = _rewrite_containers("initContainers", spec.init_containers or (), tags)
    operations += _rewrite_containers("containers", spec.containers or (), tags)
    for index, volume in enumerate(spec.volumes or ()):
        image = volume.image
        if image is not None and _is_rewritten(image.reference, image.pull_policy, tags):
            path = ("spec", "volumes", index, "image", "pullPolicy")
            operations.append(put(KIND, path, image.pull_policy, IF_NOT_PRESENT))
    return operations


def _rewrite_containers(
    member: str, containers: tuple[Container, ...], mutable_tags: Literal["Keep", "IfNotPresent"]
) -> list[Operation]:
    return [
        put(KIND, ("spec", member, index, "imagePullPolicy"), container.image_pull_policy, IF_NOT_PRESENT)
        for index, container in enumerate(containers)
        if _is_rewritten(container.image, container.image_pull_policy, mutable_tags)
    ]


@lru_cache(maxsize=16_384)
def _is_rewritten(image: str | None, policy: str | None, mutable_tags: Literal["Keep", "IfNotPresent"]) -> bool:
    """An absent policy means Always for the tag `latest`, written or not, even beside a digest: Kubernetes' default.

    A name that no runtime would take is left for the API server and the kubelet to complain about.
    """
    if policy not in (None, "", ALWAYS):
        return False
    try:
        reference = parse_image(image or "")
    except InvalidImage:
        return False
    if policy != ALWAYS and reference.tag != "latest":
        return False
    return mutable_tags == "IfNotPresent" or not reference.is_mutable
