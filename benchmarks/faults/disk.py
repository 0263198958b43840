"""A small file system of its own that can be filled, where this machine lets us mount one."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from model.errors import LabError

SIZE: Final = "512k"
BLOCK: Final = b"\0" * 4096


@asynccontextmanager
async def small_disk(directory: Path) -> AsyncIterator[Path]:
    """A tmpfs of half a mebibyte; LabError with the system's words where none may be mounted (not root, a sandbox)."""
    await asyncio.to_thread(directory.mkdir, parents=True)
    await _run("mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0700", "tmpfs", str(directory))
    try:
        yield directory
    finally:
        await _run("umount", "--lazy", str(directory))


def fill(disk: Path) -> Path:
    """Write until nothing more fits; the file to be removed to make room again."""
    filler = disk / "filler"
    try:
        with filler.open("wb", buffering=0) as file:
            while True:
                file.write(BLOCK)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
    return filler


def write_in_vain(path: Path, content: bytes) -> None:
    """What a renewal on a full disk leaves: the file is emptied, and its new content does not fit."""
    with suppress(OSError), path.open("wb", buffering=0) as file:
        fill(path.parent)
        file.write(content)


async def _run(*command: str) -> None:
    try:
        child = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    except OSError as error:
        raise LabError(f"{command[0]} cannot be run: {error}") from error
    _, complaint = await child.communicate()
    if child.returncode != 0:
        raise LabError(complaint.decode(errors="replace").strip())
