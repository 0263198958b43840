"""Child processes that never outlive this one, and the ports they listen on.

On Linux the kernel kills a child as soon as the *thread* that started it ends (PR_SET_PDEATHSIG), even when that end is
a SIGKILL. So start processes from an event loop that lives as long as they should, as a rule the main thread's.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import MappingProxyType

from model.errors import LabError, PortTaken

# Below the ranges from which Linux (32768 up) and macOS (49152 up) number outgoing connections: a client that retries a
# port of the ephemeral range while its server is down can take that port itself, or even connect to itself.
PORTS = range(20_000, 32_000)

POLL_SECONDS = 0.05
TAIL_LINES = 20

# Set by the child itself after the fork: a preexec_fn may deadlock in a process that has threads. A parent that ended
# before the call sends no signal any more, hence the look at getppid().
_TETHER = """
import ctypes, os, signal, sys
if ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL) != 0:
    sys.exit("prctl(PR_SET_PDEATHSIG) failed: " + os.strerror(ctypes.get_errno()))
if os.getppid() != int(sys.argv[1]):
    sys.exit("the process that started this one is gone")
os.execvp(sys.argv[2], sys.argv[2:])
"""

Check = Callable[[], Awaitable[bool]]


class Process:
    """One supervised program that can be stopped, killed and started again with the same arguments.

    Standard output and error are appended to `log`. `check` answers whether the program is ready to serve; it is asked
    again and again after each start, and must come to an answer by itself. `environment` adds to ours.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        check: Check,
        deadline_seconds: float = 60,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.name = name
        self.command = [str(word) for word in command]
        self.log = log
        self.deadline_seconds = deadline_seconds
        self.check = check
        self._environment = environment
        self._child: asyncio.subprocess.Process | None = None
        self._log_offset = 0

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.returncode is None

    @property
    def pid(self) -> int:
        """Of the running process; LabError where it does not run."""
        if self._child is None or self._child.returncode is not None:
            raise LabError(f"{self.name} is not running; start it first (its log: {self.log})")
        return self._child.pid

    async def start(self) -> None:
        """Returns when the program is ready.

        PortTaken where it ended because somebody else holds a port of its arguments, LabError where it ended otherwise
        or was not ready in time; nothing is left running then.
        """
        if self.running:
            raise LabError(f"{self.name} runs already; stop it before starting it again")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._log_offset = log.tell()
            self._child = await asyncio.create_subprocess_exec(
                *_tethered(self.command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self._environment},
                start_new_session=True,  # Ctrl-C at the terminal is for us; we stop the children in their order
            )
        try:
            await self._wait_ready(self._child)
        except BaseException:
            await self.kill()
            raise

    async def stop(self, grace_seconds: float = 10) -> None:
        """SIGTERM, and SIGKILL for what is left of it after the grace. Stopping what does not run is no error."""
        child = self._child
        if child is None:
            return
        self.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace_seconds):
                await child.wait()
        except TimeoutError:
            pass
        finally:
            self.signal(signal.SIGKILL)
        await child.wait()

    async def kill(self) -> None:
        """SIGKILL, as a crash would end it."""
        self.signal(signal.SIGKILL)
        if self._child is not None:
            await self._child.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send it to the program and its children; nothing where it does not run."""
        if self.running:
            with suppress(ProcessLookupError):  # it ended a moment ago, and the event loop has not heard of it yet
                os.killpg(self.pid, number)

    def tail(self) -> str:
        """The last lines it wrote since it was started last."""
        with self.log.open("rb") as log:
            log.seek(self._log_offset)
            lines = log.read().decode(errors="replace").splitlines()
        return "\n".join(lines[-TAIL_LINES:])

    async def _wait_ready(self, child: asyncio.subprocess.Process) -> None:
        try:
            async with asyncio.timeout(self.deadline_seconds):
                while child.returncode is None:
                    if await self.check():
                        return
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError as error:
            raise LabError(
                f"{self.name} was not ready after {self.deadline_seconds:g} s; {self._log_ends()}"
            ) from error
        message = f"{self.name} ended with status {child.returncode} before it was ready; {self._log_ends()}"
        raise PortTaken(message) if "address already in use" in message.lower() else LabError(message)

    def _log_ends(self) -> str:
        return f"its log, {self.log}, ends with:\n{self.tail()}"


def free_ports(count: int) -> list[int]:
    """Different ports of 127.0.0.1 on which nobody listens now; each is held until all are picked."""
    ports: list[int] = []
    with ExitStack() as held:
        for port in random.SystemRandom().sample(PORTS, len(PORTS)):
            if len(ports) == count:
                return ports
            candidate = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            with suppress(OSError):
                candidate.bind(("127.0.0.1", port))
                ports.append(port)
    raise LabError(f"{count} free ports of 127.0.0.1 were not to be had between {PORTS.start} and {PORTS.stop}")


async def start_on_free_ports(count: int, build: Callable[[Sequence[int]], Process], attempts: int = 4) -> Process:
    """Build a process for free ports and start it; with other ports where somebody was quicker. LabError as `start`."""
    while True:
        process = build(free_ports(count))
        attempts -= 1
        try:
            await process.start()
        except PortTaken:
            if attempts == 0:
                raise
        else:
            return process


def _tethered(command: Sequence[str]) -> Sequence[str]:
    if sys.platform != "linux":
        return command
    return [sys.executable, "-I", "-S", "-c", _TETHER, str(os.getpid()), *command]
