from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from lab.compilation import KUBERNETES_VERSION, MODULE_DIRECTORY, PACKAGES
from lab.toolchain import QUESTIONS, cache_directory, cache_key, find, find_or_build, reports_version
from model.errors import LabError

ANSWERS = {
    "etcd": "etcd Version: 3.6.8\nGit SHA: Not provided",
    "kube-apiserver": "Kubernetes v1.36.3",
    "kube-scheduler": "Kubernetes v1.36.3",
    "kube-controller-manager": "Kubernetes v1.36.3",
    "kubectl": '{"clientVersion": {"gitVersion": "v1.36.3"}}',
}


def program(directory: Path, name: str, answer: str | None = None) -> Path:
    """An executable that gives this answer to whatever it is asked; by default the right one."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{ANSWERS[name] if answer is None else answer}\nEND\n")
    path.chmod(0o755)
    return path


def programs(directory: Path, names: Iterable[str] = PACKAGES) -> dict[str, Path]:
    return {name: program(directory, name) for name in names}


@pytest.mark.parametrize(
    ("name", "answer", "usable"),
    [
        *((name, answer, True) for name, answer in ANSWERS.items()),
        ("etcd", "etcd Version: 3.5.21", False),
        ("etcd", "etcd Version: 3.60.1", False),
        ("kube-apiserver", "Kubernetes v1.36.2", False),
        ("kube-apiserver", "Kubernetes v1.36.30", False),
        ("kube-scheduler", "Kubernetes v1.36.3-eks-1", False),
        ("kubectl", '{"clientVersion": {"gitVersion": "v1.32.4-dispatcher"}}', False),
        ("kubectl", '{"clientVersion": {"gitVersion": "v1.36.30"}}', False),
        ("kubectl", "", False),
    ],
)
def test_a_program_is_usable_when_it_reports_the_version_of_the_lab(
    tmp_path: Path, name: str, answer: str, usable: bool
) -> None:
    assert reports_version(name, program(tmp_path, name, answer)) is usable


def test_a_program_that_cannot_be_run_is_not_usable(tmp_path: Path) -> None:
    text = tmp_path / "kubectl"
    text.write_text("not a program")
    assert not reports_version("kubectl", text)


def test_a_program_that_fails_is_not_usable_whatever_it_says(tmp_path: Path) -> None:
    failing = program(tmp_path, "etcd")
    failing.write_text(failing.read_text() + "exit 1\n")
    assert not reports_version("etcd", failing)


def test_the_sources_are_preferred_in_their_order(tmp_path: Path) -> None:
    assets, path = programs(tmp_path / "assets"), programs(tmp_path / "bin")
    cached = programs(tmp_path / "cache" / cache_key())
    environment = {"STOKER_CACHE": str(tmp_path / "cache")}
    with_path = environment | {"PATH": f"{tmp_path / 'bin'}:/bin"}
    with_assets = with_path | {"KUBEBUILDER_ASSETS": str(tmp_path / "assets")}
    assert [find(chosen) for chosen in (with_assets, with_path, environment | {"PATH": ""})] == [assets, path, cached]


def test_a_complete_source_is_preferred_to_a_mixture(tmp_path: Path) -> None:
    program(tmp_path / "bin", "kubectl")
    cached = programs(tmp_path / "cache" / cache_key())
    assert find({"PATH": f"{tmp_path / 'bin'}:/bin", "STOKER_CACHE": str(tmp_path / "cache")}) == cached


def test_where_no_source_is_complete_each_program_comes_from_the_first_that_has_it(tmp_path: Path) -> None:
    assets = programs(tmp_path / "assets", ["etcd", "kube-apiserver", "kubectl"])
    program(tmp_path / "assets", "kube-scheduler", "Kubernetes v1.35.0")
    cached = programs(tmp_path / "cache" / cache_key(), ["etcd", "kube-scheduler"])
    environment = {
        "KUBEBUILDER_ASSETS": str(tmp_path / "assets"),
        "PATH": "",
        "STOKER_CACHE": str(tmp_path / "cache"),
    }
    assert find(environment) == assets | {"kube-scheduler": cached["kube-scheduler"]}


@pytest.mark.parametrize(
    ("environment", "directory"),
    [
        ({"STOKER_CACHE": "/a", "XDG_CACHE_HOME": "/b"}, Path("/a")),
        ({"XDG_CACHE_HOME": "/b"}, Path("/b/stoker")),
        ({}, Path.home() / ".cache" / "stoker"),
    ],
)
def test_the_cache_is_where_the_environment_says(environment: dict[str, str], directory: Path) -> None:
    assert cache_directory(environment) == directory


def test_the_cache_key_depends_on_the_pinned_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = cache_key()
    (tmp_path / "go.mod").write_text("module other\n")
    monkeypatch.setattr("lab.toolchain.MODULE_DIRECTORY", tmp_path)
    assert cache_key() != before


def test_the_pinned_modules_are_of_the_version_that_the_programs_must_report() -> None:
    pins = (MODULE_DIRECTORY / "go.mod").read_text()
    assert f"k8s.io/kubernetes {KUBERNETES_VERSION}" in pins
    assert set(PACKAGES.values()) <= set(re.findall(r"^\t(\S+)$", pins, re.MULTILINE))


def test_every_program_that_is_built_is_asked_for_its_version() -> None:
    assert set(QUESTIONS) == set(PACKAGES)


def test_programs_that_do_not_work_once_built_are_an_error_that_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STOKER_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setattr("lab.compilation.build", lambda _names, directory, _progress: programs(directory, ["etcd"]))
    with pytest.raises(LabError, match=rf"kube-apiserver, .* in {tmp_path}.*STOKER_CACHE"):
        find_or_build()


def test_only_what_is_missing_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOKER_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", "/bin")
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    programs(tmp_path / cache_key(), ["etcd", "kubectl"])
    built: list[str] = []

    def build(names: Iterable[str], directory: Path, _progress: object) -> None:
        built.extend(programs(directory, names))

    monkeypatch.setattr("lab.compilation.build", build)
    find_or_build()
    assert built == ["kube-apiserver", "kube-scheduler", "kube-controller-manager"]
