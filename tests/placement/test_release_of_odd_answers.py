"""What the release job makes of answers that are not as expected: no pod stays gated because of another."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from cluster.client import ApiClient
from cluster.clock import Clock
from model import names
from model.errors import ConnectionFailed
from placement.release import release


class Answers(ApiClient):
    """A client whose lists are these bodies, by path."""

    def __init__(self, **bodies: bytes) -> None:
        self._bodies = bodies

    async def get_bytes(self, path: str, **_: Any) -> bytes:
        return self._bodies[path.rpartition("/")[2]]


def listed(*items: Any) -> bytes:
    return msgspec.json.encode({"metadata": {"resourceVersion": "9"}, "items": items})


def gated(name: str, **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "tenant-a", "uid": name, "creationTimestamp": "2026-03-03T10:00:00Z"}
    return {"metadata": metadata, "spec": {"schedulingGates": [{"name": names.WARM_NODE_GATE}], **spec}}


async def opened(client: Answers) -> list[str]:
    found = await release(client, Clock(), everything=False, dry_run=True)
    return [item.name for item in found if item.outcome == "would-open"]


async def test_an_answer_that_is_no_json_is_an_error_with_a_sentence() -> None:
    with pytest.raises(ConnectionFailed, match="is this a Kubernetes API server"):
        await opened(Answers(pods=b"<html>", tenantprofiles=listed()))


async def test_a_pod_that_cannot_be_read_is_passed_over() -> None:
    odd = gated("odd", priority="high")
    assert await opened(Answers(pods=listed(odd, gated("sound")), tenantprofiles=listed())) == ["sound"]


@pytest.mark.parametrize("profiles", [b"<html>", listed({"metadata": 7}), listed({"metadata": {"name": "p"}})])
async def test_profiles_that_cannot_be_read_mean_the_default_deadline(profiles: bytes) -> None:
    assert await opened(Answers(pods=listed(gated("sound")), tenantprofiles=profiles)) == ["sound"]
