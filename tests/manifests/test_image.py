"""The image: what it installs is what is tested, and it runs as the manifests say."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from manifests.loader import load

ROOT = Path(__file__).parents[2]


def pins(name: str) -> dict[str, set[str]]:
    """The hashes of each pinned distribution (name==version, with its marker) of a lock file."""
    found: dict[str, set[str]] = {}
    for block in re.split(r"\n(?=\S)", (ROOT / name).read_text(encoding="utf-8").strip()):
        head = block.splitlines()[0].removesuffix("\\").strip()
        found[head] = set(re.findall(r"sha256:[0-9a-f]{64}", block))
    return found


def test_the_image_has_the_versions_that_the_tests_run_with() -> None:
    image, tested = pins("requirements.txt"), pins("constraints.txt")
    assert all(image.values())
    unlike = {name for name, hashes in image.items() if tested.get(name) != hashes}
    assert unlike == set()


def test_the_image_has_whatever_the_package_needs() -> None:
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    names = {re.split(r"[><=]", item)[0].lower() for item in needed}
    assert names <= {pin.split("==")[0] for pin in pins("requirements.txt")}


def test_the_image_runs_as_the_user_of_the_manifests() -> None:
    (server,) = [item for item in load("base") if item["kind"] == "Deployment"]
    context = server["spec"]["template"]["spec"]["securityContext"]
    user = f"USER {context['runAsUser']}:{context['runAsGroup']}"
    assert user in (ROOT / "Containerfile").read_text(encoding="utf-8").splitlines()
