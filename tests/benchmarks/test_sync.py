"""What is made of the readings of a cluster, and whom they are compared with."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from benchmarks.apiserver import ScriptedApiServer, line
from benchmarks.discard import discard
from benchmarks.sync import READ, Reading, judge
from model.errors import ConnectionFailed


def readings(seconds: float, mebibytes: float = 100.0) -> list[Reading]:
    return [Reading(seconds, mebibytes)]


def found(seconds: float, mebibytes: float = 100.0) -> dict[str, list[Reading]]:
    """Ours; the other side takes a second."""
    return {"ours": readings(seconds, mebibytes), "theirs": readings(1.0)}


@pytest.mark.parametrize(("seconds", "held"), [(1.9, True), (2.1, False)])
def test_a_synchronisation_may_take_twice_as_long_as_reading_the_api_server(seconds: float, held: bool) -> None:
    assert judge(found(seconds), found(10.0)).held is held


@pytest.mark.parametrize(("at_api_server", "prepared"), [(100.0, 151.0), (151.0, 100.0)])
def test_neither_copy_may_be_larger_than_the_limit(at_api_server: float, prepared: float) -> None:
    assert not judge(found(1.0, at_api_server), found(1.0, prepared)).held


async def test_what_is_thrown_away_is_read_to_the_end_of_every_list(tmp_path: Path) -> None:
    async with ScriptedApiServer.start() as server:
        for path in READ:
            server.put(path, [{"metadata": {"name": "x" * 10_000}}] * 1_000)
        _, size_bytes = await discard(server.kubeconfig(tmp_path), list(READ))
        assert size_bytes > sum(map(server.size_bytes, READ)) > 30_000_000


async def test_a_watch_that_ends_before_its_list_fails_the_bench(tmp_path: Path) -> None:
    async def end_early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + line("ADDED", {"metadata": {"name": "x"}}))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(end_early, "127.0.0.1", 0) as listener:
        scripted = ScriptedApiServer()
        scripted.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        with pytest.raises(ConnectionFailed, match="before its list"):
            await discard(scripted.kubeconfig(tmp_path), [READ[0]])
