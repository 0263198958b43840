from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from lab.processes import PORTS, Check, Process, free_ports, start_on_free_ports
from model.errors import LabError, PortTaken
from tests.lab.ending import ended, runs

ENDLESS = "import time; print('hello', flush=True); time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {ENDLESS}"
LISTENER = f"import socket, sys; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); {ENDLESS}"


def python(tmp_path: Path, source: str, *arguments: str, check: Check | None = None, deadline: float = 30) -> Process:
    """A process that is ready as soon as it has said hello, unless another check is given."""

    async def said_hello() -> bool:
        return "hello" in process.tail()

    process = Process(
        "program",
        [sys.executable, "-c", source, *arguments],
        log=tmp_path / "program.log",
        check=check or said_hello,
        deadline_seconds=deadline,
    )
    return process


async def never() -> bool:
    return False


async def test_a_process_runs_from_start_to_stop(tmp_path: Path) -> None:
    process = python(tmp_path, ENDLESS)
    await process.start()
    pid, ran = process.pid, process.running
    await process.stop()
    assert (ran, process.running, ended(pid)) == (True, False, True)


async def test_a_process_that_ignores_sigterm_is_killed_after_the_grace(tmp_path: Path) -> None:
    process = python(tmp_path, STUBBORN)
    await process.start()
    pid = process.pid
    await process.stop(grace_seconds=0.1)
    assert ended(pid)


async def test_a_killed_process_can_be_started_again(tmp_path: Path) -> None:
    process = python(tmp_path, ENDLESS)
    await process.start()
    first = process.pid
    await process.kill()
    await process.start()
    assert process.pid != first
    await process.stop()


async def test_starting_what_runs_is_refused(tmp_path: Path) -> None:
    process = python(tmp_path, ENDLESS)
    await process.start()
    with pytest.raises(LabError, match="runs already"):
        await process.start()
    await process.stop()


async def test_stopping_what_does_not_run_is_no_error(tmp_path: Path) -> None:
    process = python(tmp_path, ENDLESS)
    await process.stop()
    assert not process.running


async def test_asking_for_the_pid_of_what_does_not_run_names_the_log(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"program is not running.*program\.log"):
        _ = python(tmp_path, ENDLESS).pid


async def test_a_process_that_dies_early_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"(?s)ended with status 3 before it was ready.*no such flag"):
        await python(tmp_path, "import sys; print('no such flag'); sys.exit(3)").start()


async def test_the_reported_log_begins_with_the_last_start(tmp_path: Path) -> None:
    (tmp_path / "program.log").write_text("of an earlier run\n")
    with pytest.raises(LabError) as caught:
        await python(tmp_path, "raise SystemExit('broken')").start()
    assert "of an earlier run" not in str(caught.value)


async def test_a_process_that_does_not_become_ready_is_reported_and_ended(tmp_path: Path) -> None:
    process = python(tmp_path, ENDLESS, check=never, deadline=0.5)
    with pytest.raises(LabError, match=r"was not ready after 0\.5 s"):
        await process.start()
    assert not process.running


async def test_a_start_that_is_cancelled_leaves_nothing_running(tmp_path: Path) -> None:
    asked = asyncio.Event()

    async def check() -> bool:
        asked.set()
        return False

    process = python(tmp_path, ENDLESS, check=check)
    start = asyncio.create_task(process.start())
    await asked.wait()
    start.cancel()
    await asyncio.wait([start])
    assert not process.running


async def test_free_ports_differ_and_can_be_listened_on() -> None:
    ports = free_ports(50)
    with ExitStack() as sockets:
        for port in ports:
            sockets.enter_context(socket.create_server(("127.0.0.1", port)))
    assert len(set(ports)) == 50


async def test_free_ports_lie_below_those_of_outgoing_connections() -> None:
    assert set(free_ports(20)) <= set(PORTS)


async def test_more_free_ports_than_there_are_is_an_error() -> None:
    with pytest.raises(LabError, match="free ports"):
        free_ports(len(PORTS) + 1)


async def test_a_taken_port_is_reported_as_such(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken):
            await python(tmp_path, LISTENER, str(port)).start()


async def test_a_start_on_a_port_that_was_taken_meanwhile_is_tried_on_another(tmp_path: Path) -> None:
    with ExitStack() as thieves:
        tried: list[int] = []

        def build(ports: Sequence[int]) -> Process:
            if not tried:
                thieves.enter_context(socket.create_server(("127.0.0.1", ports[0])))
            tried.append(ports[0])
            return python(tmp_path, LISTENER, str(ports[0]))

        process = await start_on_free_ports(1, build)
        await process.stop()
    assert len(tried) == 2


async def test_a_start_on_free_ports_gives_up_when_all_are_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with pytest.raises(PortTaken):
            await start_on_free_ports(1, lambda _: python(tmp_path, LISTENER, port), attempts=2)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child together with its parent")
async def test_a_child_does_not_outlive_a_parent_that_was_killed(tmp_path: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, tmp_path / "child.log", stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())
    assert runs(child)
    os.kill(parent.pid, signal.SIGKILL)
    await parent.wait()
    assert ended(child)


PARENT = """
import asyncio, pathlib, sys
from lab.processes import Process

async def main():
    log = pathlib.Path(sys.argv[1])

    async def said_hello():
        return log.exists() and b"hello" in log.read_bytes()

    process = Process("child", [sys.executable, "-c", "import time; print('hello', flush=True); time.sleep(600)"],
                      log=log, check=said_hello)
    await process.start()
    print(process.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""
