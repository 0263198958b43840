"""A refused connection tells that a holder is dead only where it was reached before, and the answer is its own."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.holders import Holder, HolderWatch, Reach, Sight, connect, reached_at
from lab.processes import free_ports
from model import names

ACCEPTED, REFUSED, NONE = Reach.ACCEPTED, Reach.REFUSED, Reach.NONE
US = Holder("here_0001", "10.0.0.1:9090")
THEM = Holder("there_0002", "10.0.0.2:9090")


def sight(*answers: Reach, holder: Holder = THEM, us: Holder = US, is_first: bool = True) -> Sight:
    seen = Sight(holder, us, is_first)
    for answer in answers:
        seen = seen.after(answer)
    return seen


@pytest.mark.parametrize(
    ("answers", "is_dead"),
    [
        ([], False),
        ([ACCEPTED], False),
        ([REFUSED], False),
        ([REFUSED, REFUSED, REFUSED], False),
        ([ACCEPTED, NONE], False),
        ([ACCEPTED, REFUSED], True),
        ([ACCEPTED, NONE, REFUSED], True),
        ([REFUSED, ACCEPTED, REFUSED], True),
        ([ACCEPTED, REFUSED, ACCEPTED], False),
    ],
)
def test_dead_is_who_was_reached_once_and_refuses_now(answers: list[Reach], is_dead: bool) -> None:
    assert sight(*answers).is_dead == is_dead


@pytest.mark.parametrize(
    ("holder", "may_tell"),
    [
        (THEM, True),
        (Holder("there_0002", "[fd00::2]:9090"), True),
        (Holder("there_0002"), False),
        (Holder("", "10.0.0.2:9090"), False),
        (US, False),
        (Holder("there_0002", US.address), False),
        (Holder("there_0002", "127.0.0.1:9090"), False),
        (Holder("there_0002", "[::1]:9090"), False),
        (Holder("here_0002", "127.0.0.1:9090"), True),
        (Holder("there_0002", "stoker.example:9090"), False),
        (Holder("there_0002", "10.0.0.2"), False),
        (Holder("there_0002", "10.0.0.2:0"), False),
        (Holder("here_0002", "0.0.0.0:9090"), False),
        (Holder("there_0002", "10.0.0.2:99999"), False),
        (Holder("there_0002", "[10.0.0.2"), False),
    ],
    ids=str,
)
def test_only_an_answer_of_the_holders_own_counts(holder: Holder, may_tell: bool) -> None:
    seen = sight(ACCEPTED, REFUSED, holder=holder, is_first=False)
    assert (seen.may_tell, seen.is_dead) == (may_tell, may_tell)


@pytest.mark.parametrize(
    ("holder", "us", "is_first", "is_dead"),
    [
        (Holder("pod_1", "10.0.0.1:9090"), Holder("pod_2", "10.0.0.1:9090"), True, True),
        (Holder("pod_1", "127.0.0.1:9090"), Holder("pod_2", "127.0.0.1:9090"), True, True),
        (Holder("pod_1", "10.0.0.1:9090"), Holder("pod_2", "10.0.0.1:9090"), False, False),
        (Holder("pod_1", "10.0.0.1:9090"), Holder("pod_1", "10.0.0.1:9090"), True, False),
        (Holder("pod_1", "10.0.0.1:9090"), Holder("another_2", "10.0.0.1:9090"), True, False),
        (Holder("pod_1", "10.0.0.1:9090"), Holder("pod_2", "10.0.0.1:9091"), True, False),
        (Holder("pod_1"), Holder("pod_2"), True, False),
    ],
    ids=["container", "loopback", "came later", "ourselves", "another host", "another port", "no address"],
)
def test_whoever_listened_where_we_do_before_we_began_is_dead(
    holder: Holder, us: Holder, is_first: bool, is_dead: bool
) -> None:
    assert sight(holder=holder, us=us, is_first=is_first).is_dead == is_dead


@given(st.lists(st.sampled_from([REFUSED, NONE])))
def test_who_was_never_reached_is_never_dead(answers: list[Reach]) -> None:
    assert not sight(*answers).is_dead


def lease_of(identity: str, told: str) -> dict[str, Any]:
    annotations = {"a": "b", names.HOLDER_ADDRESS_ANNOTATION: told}
    return {"metadata": {"annotations": annotations}, "spec": {"holderIdentity": identity}}


def test_a_holder_is_read_from_its_lease_and_writes_its_address_alone() -> None:
    lease = lease_of(THEM.identity, f"{THEM.identity}@{THEM.address}")
    assert Holder.of(lease) == THEM
    assert US.writes(lease) == {"a": "b", names.HOLDER_ADDRESS_ANNOTATION: f"{US.identity}@{US.address}"}
    assert Holder("").writes(lease) == {"a": "b"}
    assert Holder.of({"metadata": {}, "spec": {"holderIdentity": THEM.identity}}) == Holder(THEM.identity)


@pytest.mark.parametrize("told", [f"{THEM.identity}@{THEM.address}", THEM.address, f"@{THEM.address}", "@", ""])
def test_an_address_that_is_not_told_to_be_the_holders_is_nobodys(told: str) -> None:
    """An older Stoker leaves the annotation of the holder before it; and who gave the Lease back has none."""
    assert Holder.of(lease_of("older_0003", told)) == Holder("older_0003")
    assert Holder.of(lease_of("", f"{THEM.identity}@{THEM.address}")) == Holder("")


class Network:
    """Answers in their order; whoever sleeps lets the test act."""

    def __init__(self, *answers: Reach) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def connect(self, host: str, port: int) -> Reach:
        self.asked.append((host, port))
        return self.answers.pop(0)

    def watch(self) -> HolderWatch:
        return HolderWatch(US, connect=self.connect, sleep=lambda _: asyncio.sleep(0))


async def test_a_watch_returns_when_the_holder_is_dead() -> None:
    network = Network(ACCEPTED, NONE, REFUSED)
    watch = network.watch()
    watch.met(THEM)
    await asyncio.wait_for(watch.death(), 10)
    assert watch.is_dead
    assert network.asked == [("10.0.0.2", 9090)] * 3


async def test_a_watch_tells_of_a_death_once() -> None:
    network = Network(ACCEPTED, REFUSED, REFUSED, REFUSED)
    watch = network.watch()
    watch.met(THEM)
    await asyncio.wait_for(watch.death(), 10)
    with pytest.raises(IndexError):  # it went on asking until the network had no answer left
        await asyncio.wait_for(watch.death(), 10)
    assert watch.is_dead


async def test_what_was_seen_of_one_holder_is_not_held_against_the_next() -> None:
    network = Network(ACCEPTED, REFUSED, REFUSED, ACCEPTED, REFUSED)
    watch = network.watch()
    watch.met(THEM)
    await asyncio.wait_for(watch.death(), 10)
    watch.met(Holder("there_0003", THEM.address))
    assert not watch.is_dead
    await asyncio.wait_for(watch.death(), 10)
    assert network.answers == []


async def test_meeting_the_same_holder_again_forgets_nothing() -> None:
    watch = Network(ACCEPTED, REFUSED).watch()
    watch.met(THEM)
    await asyncio.wait_for(watch.death(), 10)
    watch.met(THEM)
    assert watch.is_dead


async def test_an_answer_that_comes_when_another_holds_the_lease_is_nobodys() -> None:
    class Slow(Network):
        async def connect(self, host: str, port: int) -> Reach:
            if len(self.answers) == 1:
                watch.met(Holder("third_0003", "10.0.0.3:9090"))
                arrived.set()
            return await super().connect(host, port) if self.answers else NONE

    arrived = asyncio.Event()
    watch = Slow(ACCEPTED, REFUSED).watch()
    watch.met(THEM)
    waiting = asyncio.create_task(watch.death())
    await asyncio.wait_for(arrived.wait(), 10)
    await asyncio.sleep(0)
    assert (waiting.done(), watch.is_dead) == (False, False)
    waiting.cancel()


async def test_a_listener_accepts_and_the_kernel_refuses_for_it_when_it_is_gone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert await connect("127.0.0.1", port) is ACCEPTED
    assert await connect("127.0.0.1", port) is REFUSED


async def test_what_cannot_be_connected_to_says_nothing() -> None:
    """To the broadcast address there are no connections."""
    assert await connect("255.255.255.255", 9090) is NONE


@pytest.mark.parametrize(
    ("host", "server", "address"),
    [
        ("", f"https://127.0.0.1:{free_ports(1)[0]}", "127.0.0.1:9090"),
        ("0.0.0.0", "https://127.0.0.1", "127.0.0.1:9090"),  # noqa: S104 - nothing is bound
        ("::", "https://127.0.0.1", "127.0.0.1:9090"),
        ("10.0.0.1", "https://127.0.0.1", "10.0.0.1:9090"),
        ("fd00::1", "https://127.0.0.1", "[fd00::1]:9090"),
        ("", "https://nobody.invalid:6443", ""),
        ("", "https://", ""),
        ("", f"https://{'x' * 64}.example", ""),
    ],
)
async def test_who_listens_everywhere_is_reached_at_its_address_on_the_way_to_the_server(
    host: str, server: str, address: str
) -> None:
    assert await reached_at(host, 9090, server) == address
