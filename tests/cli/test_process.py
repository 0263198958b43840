"""A serving process ends within the time that its Deployment gives it."""

from __future__ import annotations

import pytest

from cli.process import CLOSE_SECONDS, DRAIN_SECONDS, LINGER_SECONDS
from cli.tls import WITHDRAWAL_SECONDS
from manifests.loader import load

HEALTH_SECONDS = 1.0


@pytest.mark.parametrize("name", ["stoker", "stoker-scheduler"])
def test_the_grace_covers_linger_drain_and_close(name: str) -> None:
    deployment = next(
        item for item in load("default") if item["kind"] == "Deployment" and item["metadata"]["name"] == name
    )
    grace = deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert grace > LINGER_SECONDS + DRAIN_SECONDS + CLOSE_SECONDS + HEALTH_SECONDS + WITHDRAWAL_SECONDS


def test_nodes_have_ten_seconds_to_learn_that_a_replica_ends() -> None:
    assert LINGER_SECONDS >= 10.0
