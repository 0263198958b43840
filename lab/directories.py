"""Working directories that are locked by their owner, so that those of owners who were killed can be swept."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

PREFIX: Final = "stoker-lab-"
LOCK: Final = "owner.lock"


@contextmanager
def working_directory() -> Iterator[Path]:
    """A new directory, gone at the end; what earlier owners left behind when they were killed goes first.

    It gets the name that others sweep only once it is locked.
    """
    parent = Path(tempfile.gettempdir())
    _sweep(parent)
    unlocked = Path(tempfile.mkdtemp(prefix=f"new-{PREFIX}"))
    directory = parent / unlocked.name.removeprefix("new-")
    with held(unlocked / LOCK):
        unlocked.rename(directory)
        try:
            yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the lock of a file for the block; BlockingIOError where another process holds it. A kill releases it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Whether a living process holds the lock."""
    if not path.exists():
        return False
    try:
        with held(path):
            return False
    except BlockingIOError:
        return True


def _sweep(parent: Path) -> None:
    for directory in parent.glob(f"{PREFIX}*"):
        lock = directory / LOCK
        if lock.exists() and not is_held(lock):
            with suppress(OSError):
                shutil.rmtree(directory)
