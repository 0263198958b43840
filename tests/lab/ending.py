"""Whether processes have ended, for tests that must not leave any."""

from __future__ import annotations

import time
from pathlib import Path

WAIT_SECONDS = 20


def ended(*pids: int) -> bool:
    """Whether all of them end within the wait; one whose status nobody has collected yet has ended."""
    deadline = time.monotonic() + WAIT_SECONDS
    while any(runs(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def running_with(word: str) -> list[Path]:
    """The processes (their directories in /proc) that have `word` within their command line."""
    return [process for process in Path("/proc").glob("[0-9]*") if word in _command(process)]


def runs(pid: int) -> bool:
    """Also of a process that is not a child of this one."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}


def _command(process: Path) -> str:
    try:
        return (process / "cmdline").read_text()
    except OSError:
        return ""
