"""How long no watch was open is no silence of a watch, and is counted once."""

from __future__ import annotations

from cluster.freshness import Freshness
from cluster.troubles import Troubles


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def freshness(clock: Clock) -> Freshness:
    return Freshness("nodes", Troubles(clock=clock), clock)


async def test_an_outage_before_a_list_in_pages_excuses_no_silence_after_it() -> None:
    clock = Clock()
    nodes = freshness(clock)
    with nodes.open(resumed=False):
        nodes.heard()
    clock.now += 170.0
    nodes.heard()
    with nodes.open(resumed=True):
        clock.now += 151.0
        assert nodes.complaint() == "nodes: stale, no event for 151 s"


async def test_an_outage_after_a_list_in_pages_is_no_silence() -> None:
    clock = Clock()
    nodes = freshness(clock)
    nodes.heard()
    clock.now += 170.0
    with nodes.open(resumed=True):
        clock.now += 100.0
        assert nodes.complaint() is None
