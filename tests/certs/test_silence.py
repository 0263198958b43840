"""When a replica should not be asked any more, although it has a certificate."""

from __future__ import annotations

import pytest

from certs.authority import CA_LIFETIME
from certs.replicas import SILENT_SECONDS
from tests.certs.builders import NOW, authority
from tests.certs.conftest import SECRET
from tests.certs.world import Replica, World


@pytest.fixture
def world() -> World:
    return World(authority())


@pytest.fixture
def replica(world: World) -> Replica:
    replica = Replica(world, 0.0)
    while replica.turn():
        pass
    assert replica.source.complaint() is None
    return replica


def rounds(world: World, replica: Replica) -> None:
    """As many as it takes until who has followed nothing is silent."""
    for _ in range(5):
        world.seconds += SILENT_SECONDS / 4
        while replica.turn():
            pass


def test_a_replica_that_is_cut_off_is_silent(world: World, replica: Replica) -> None:
    replica.api.cut_off = True
    rounds(world, replica)
    assert "the CA was last read 150 s ago" in (replica.source.complaint() or "")


def test_a_spoilt_secret_takes_no_replica_away_that_holds_a_good_leaf(world: World, replica: Replica) -> None:
    world.objects[SECRET]["data"]["tls.crt"] = "bm9uc2Vuc2U="
    rounds(world, replica)
    assert replica.source.complaint() is None


def test_an_authority_that_only_others_take_for_valid_is_not_followed(world: World, replica: Replica) -> None:
    world.start = NOW + CA_LIFETIME
    rounds(world, replica)
    assert replica.source.complaint() is not None
