"""What the parts of a snapshot are told, whatever becomes of one of them."""

from __future__ import annotations

import pytest

from cluster.client import ApiClient
from cluster.clock import Clock
from cluster.snapshot import Snapshot
from model import names
from tests.cluster.objects import pod


@pytest.fixture
def snapshot() -> Snapshot:
    client: ApiClient = None  # type: ignore[assignment] # nothing is followed
    return Snapshot(client, Clock(), with_fleet=True)


def failing(*_: object) -> None:
    raise RuntimeError("a mistake of ours")


def test_a_pod_that_the_fleet_stumbles_over_waits_no_longer(
    snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = pod(spec={"schedulingGates": [{"name": names.WARM_NODE_GATE}]})
    snapshot.pod_changed(None, waiting)
    monkeypatch.setattr(snapshot.fleet, "pod_changed", failing)
    with pytest.raises(RuntimeError):
        snapshot.pod_changed(waiting, pod(on="n1"))
    assert snapshot.waiting.pods == {}
