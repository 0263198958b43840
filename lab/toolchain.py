"""Where the programs of the control plane come from: this machine, the cache, or a build that fills the cache."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab import compilation
from lab.compilation import KUBERNETES_VERSION, MODULE_DIRECTORY, PACKAGES
from lab.progress import BuildProgress
from model.errors import LabError

VERSION_SECONDS = 30
"""A wrapper found on PATH may do anything before it tells its version, but not for longer."""


@dataclass(frozen=True, slots=True)
class Programs:
    """The five programs; each has reported the version that the lab is made for."""

    etcd: Path
    kube_apiserver: Path
    kube_scheduler: Path
    kube_controller_manager: Path
    kubectl: Path


@dataclass(frozen=True, slots=True)
class VersionQuestion:
    """How a program is asked for its version, and what the right answer contains."""

    arguments: tuple[str, ...]
    answer: re.Pattern[str]


_KUBERNETES_ANSWER = re.compile(rf"^Kubernetes {re.escape(KUBERNETES_VERSION)}$", re.MULTILINE)
QUESTIONS: Mapping[str, VersionQuestion] = {
    "etcd": VersionQuestion(("--version",), re.compile(r"^etcd Version: 3\.6\.\d+$", re.MULTILINE)),
    "kube-apiserver": VersionQuestion(("--version",), _KUBERNETES_ANSWER),
    "kube-scheduler": VersionQuestion(("--version",), _KUBERNETES_ANSWER),
    "kube-controller-manager": VersionQuestion(("--version",), _KUBERNETES_ANSWER),
    "kubectl": VersionQuestion(
        ("version", "--client", "--output=json"), re.compile(rf'"gitVersion": "{re.escape(KUBERNETES_VERSION)}"')
    ),
}


def find_or_build(progress: BuildProgress | None = None) -> Programs:
    """The programs of KUBEBUILDER_ASSETS, PATH or the cache; what none of them has is built into the cache.

    A source that has all five is preferred to a mixture. Building takes up to 15 minutes on two processors, once.
    LabError where it fails.
    """
    directory = cache_directory() / cache_key()
    found = find()
    if _missing(found):
        progress = progress or BuildProgress()
        with compilation.locked(directory, progress):
            if missing := _missing(find()):
                compilation.build(missing, directory, progress)
        found = find()
    if missing := _missing(found):
        raise LabError(
            f"{', '.join(missing)} in {directory} cannot be run, or not as {KUBERNETES_VERSION}, although just built; "
            "remove that directory, and set STOKER_CACHE if programs may not be run from its file system"
        )
    return Programs(**{name.replace("-", "_"): path for name, path in found.items()})


def find(environment: Mapping[str, str] = os.environ) -> dict[str, Path]:
    """The usable programs by name, without building any."""
    merged: dict[str, Path] = {}
    for candidates in _sources(environment):
        usable = {name: path for name, path in candidates.items() if reports_version(name, path)}
        if len(usable) == len(QUESTIONS):
            return usable
        merged = usable | merged
    return merged


def reports_version(name: str, program: Path) -> bool:
    """Whether the program itself says that it is of the lab's version; one that cannot be run is not."""
    question = QUESTIONS[name]
    try:
        answer = subprocess.run(  # noqa: S603 - the program is one of the five, found where the user keeps programs
            [program, *question.arguments], capture_output=True, text=True, timeout=VERSION_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0 and question.answer.search(answer.stdout) is not None


def cache_directory(environment: Mapping[str, str] = os.environ) -> Path:
    """STOKER_CACHE, else `stoker` in XDG_CACHE_HOME, else in ~/.cache."""
    if chosen := environment.get("STOKER_CACHE"):
        return Path(chosen)
    return Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stoker"


def cache_key() -> str:
    """Names what a build depends on: version, system and the pinned modules."""
    pins = hashlib.sha256((MODULE_DIRECTORY / "go.mod").read_bytes()).hexdigest()[:12]
    return f"kubernetes-{KUBERNETES_VERSION}-{platform.system().lower()}-{platform.machine()}-{pins}"


def _missing(found: Mapping[str, Path]) -> list[str]:
    return [name for name in QUESTIONS if name not in found]


def _sources(environment: Mapping[str, str]) -> Iterable[dict[str, Path]]:
    """Candidates by name for each source, in the order of preference."""
    if assets := environment.get("KUBEBUILDER_ASSETS"):
        yield _in_directory(Path(assets))
    on_path = {name: shutil.which(name, path=environment.get("PATH", os.defpath)) for name in PACKAGES}
    yield {name: Path(path) for name, path in on_path.items() if path is not None}
    yield _in_directory(cache_directory(environment) / cache_key())


def _in_directory(directory: Path) -> dict[str, Path]:
    return {name: directory / name for name in PACKAGES if (directory / name).is_file()}
