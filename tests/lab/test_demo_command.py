"""`stoker lab demo` as a user runs it, with constants of the user's own: nothing depends on the shipped values."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from lab.constants import DEFAULT_FILE, load_constants
from tests.cli.command import Ended, stoker

pytestmark = pytest.mark.controlplane

TENANTS: Final = 6
OTHERS: Final = 2
FLEET: Final = """
[[demo.fleet]]
name = "hot"
count = 1
instance_type = "m7i.metal"
architecture = "amd64"
cpu = "16"
memory = "64Gi"
state = "warm"

[[demo.fleet]]
name = "empty"
count = 1
instance_type = "m7i.metal"
architecture = "amd64"
cpu = "16"
memory = "64Gi"
state = "warm"
images = []

[[demo.fleet]]
name = "fresh"
count = 1
instance_type = "m7i.metal"
architecture = "amd64"
cpu = "16"
memory = "64Gi"
state = "kata-installed"
seconds_ago = 5

[[demo.fleet]]
name = "graviton"
count = 1
instance_type = "m7g.metal"
architecture = "arm64"
cpu = "16"
memory = "64Gi"
state = "warm"

"""
REPLACEMENTS: Final = {
    r"^speed = .*$": "speed = 40",
    r"^seed = .*$": "seed = 99",
    r"^megabytes_per_second = .*$": "megabytes_per_second = 75",
    r"^fixed_seconds = .*$": "fixed_seconds = 2",
    r"^parallel = .*$": "parallel = 3",
    r"^handlers = .*$": 'handlers = ["kata-clh"]',
    r"^runtime_class = .*$": 'runtime_class = "kata-clh"',
    r"^sigma = .*$": "sigma = 0.0",
    r"^tenant_pods = .*$": f"tenant_pods = {TENANTS}",
    r"^other_pods = .*$": f"other_pods = {OTHERS}",
}


def other_constants(path: Path) -> Path:
    text = DEFAULT_FILE.read_text(encoding="utf-8")
    head, load = text[: text.index("[[demo.fleet]]")], text[text.index("[demo.load]") :]
    text = head + FLEET + load
    for pattern, replacement in REPLACEMENTS.items():
        text, count = re.subn(pattern, replacement, text, count=1, flags=re.MULTILINE)
        assert count == 1, pattern
    path.write_text(text, encoding="utf-8")
    assert load_constants(path).kata.runtime_class == "kata-clh"
    return path


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def ended(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ended, Path]:
    """What the command left, and where its report is."""
    directory = tmp_path_factory.mktemp("other-constants")
    report = directory / "made" / "report.json"
    constants = other_constants(directory / "constants.toml")
    return await stoker("lab", "demo", "--constants", constants, "--report", report, seconds=240, inherit=True), report


def tenants(path: Path, mode: str) -> list[dict[str, Any]]:
    pods = json.loads(path.read_text())["pods"]
    return [item for item in pods if item["mode"] == mode and item["tenant"]]


def test_the_demo_ends_well_and_shows_its_tables(ended: tuple[Ended, Path]) -> None:
    command, report = ended
    assert command.status == 0, command.complaint
    for title in ("Plain kube-scheduler", "With Stoker", "Seconds until a tenant's pod was ready", str(report)):
        assert title in command.output


def test_its_progress_goes_to_standard_error(ended: tuple[Ended, Path]) -> None:
    command, _ = ended
    assert "starting etcd" in command.complaint
    assert f"stoker: {TENANTS + OTHERS} of {TENANTS + OTHERS} pods ready" in command.complaint


def test_the_report_is_about_these_constants(ended: tuple[Ended, Path]) -> None:
    pods = json.loads(ended[1].read_text())["pods"]
    assert len(pods) == 2 * (TENANTS + OTHERS)
    assert {item["node"] for item in pods} <= {"hot-1", "empty-1", "fresh-1", "graviton-1"}


def test_with_stoker_all_tenants_are_on_the_warm_amd64_node(ended: tuple[Ended, Path]) -> None:
    pods = tenants(ended[1], "stoker")
    assert [(item["node"], item["warm"], item["failed_sandboxes"]) for item in pods] == [("hot-1", True, 0)] * TENANTS


def test_every_tenant_has_its_forecast(ended: tuple[Ended, Path]) -> None:
    for item in tenants(ended[1], "stoker"):
        assert item["forecast"]["seconds"] == pytest.approx(sum(item["forecast"]["terms"].values()), abs=0.5)


async def test_constants_that_cannot_be_used_end_the_demo_with_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "constants.toml"
    path.write_text("speed = 0\n")
    ended = await stoker("lab", "demo", "--constants", path)
    assert (ended.status, ended.output) == (1, "")
    assert ended.complaint.startswith(f"stoker: the lab's constants {path}: ")
    assert "Traceback" not in ended.complaint


async def test_pods_that_cannot_be_used_end_the_demo_with_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "pods.yaml"
    path.write_text("kind: Deployment\n")
    ended = await stoker("lab", "demo", "--pods", path)
    assert (ended.status, ended.output) == (1, "")
    assert ended.complaint == (
        f"stoker: {path}, document 1: a Deployment is neither a Namespace nor a Pod of v1; leave it out\n"
    )
