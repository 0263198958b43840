"""The lab's constants: the shipped file loads, and another one that is wrong is refused with the key and the reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lab.constants import DEFAULT_FILE, load_constants
from model.errors import InvalidInput

SHIPPED = DEFAULT_FILE.read_text(encoding="utf-8")


def test_the_shipped_file_describes_the_first_benchmark() -> None:
    constants = load_constants()
    assert constants.images["openclaw"].bytes == {"amd64": 1_130_000_000, "arm64": 432_000_000}
    assert constants.demo.load.tenant_pods == 40


def test_another_file_takes_the_place_of_the_shipped_one(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(SHIPPED.replace("speed = 20", "speed = 7", 1))
    assert load_constants(path).speed == 7


@pytest.mark.parametrize(
    ("pattern", "replacement", "complaint"),
    [
        (r"speed = 20", "speed = 0", "speed: Input should be greater than 0"),
        (r"speed = 20", "sped = 20", "sped: Extra inputs are not permitted"),
        (r"sigma = 0.05", "sigma = nan", "noise.sigma"),
        (r"sigma = 0.05", 'sigma = "much"', "noise.sigma: Input should be a valid number"),
        (r"\[noise\]\nsigma = [^\n]*", "", "noise: Field required"),
        (r"megabytes_per_second = 32", "megabytes_per_second = 0", "pull.megabytes_per_second"),
        (r"parallel = 1", "parallel = 1.5", "pull.parallel"),
        (r"fixed_seconds = 5", "fixed_seconds = inf", "pull.fixed_seconds"),
        (r'state = "truncated"', 'state = "tepid"', "demo.fleet.1.state"),
        (r'cpu = "28"', 'cpu = "many"', "demo.fleet.0.cpu"),
        (r'name = "truncated"', 'name = "warm"', "two groups are called warm"),
        (r'name = "truncated"', 'name = "Warm Ones"', "demo.fleet.1.name"),
        (
            r'init_image = "aws-cli"',
            'init_image = "gcloud"',
            r"demo.load.tenant.init_image: there is no [images.gcloud]",
        ),
        (r'images = \["aws-cli"\]', 'images = ["gcloud"]', "demo.fleet no-image: there is no [images.gcloud]"),
        (r'architecture = "arm64"', 'architecture = "riscv64"', "boot.ready_seconds: nothing for riscv64"),
        (r'runtime_class = "kata-qemu"', 'runtime_class = "gvisor"', "runtime_class 'gvisor' is none of the handlers"),
        (r"refresh_min_seconds = 15", "refresh_min_seconds = 60", "refresh_min_seconds is greater"),
        (
            r"registered_seconds = \{ amd64 = 35",
            "registered_seconds = { amd64 = 350",
            "boot: Value error, registered_seconds",
        ),
        (r'reference = "docker.io/library/nginx:1.29.5"', 'reference = "Nginx!"', "images.web"),
    ],
)
def test_a_wrong_key_is_named_with_what_is_wrong(
    tmp_path: Path, pattern: str, replacement: str, complaint: str
) -> None:
    path = tmp_path / "mine.toml"
    text, replaced = re.subn(pattern, replacement, SHIPPED, count=1)
    assert replaced == 1
    path.write_text(text)
    with pytest.raises(InvalidInput) as refusal:
        load_constants(path)
    assert complaint in str(refusal.value)
    assert str(path) in str(refusal.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"none\.toml cannot be read: No such file"):
        load_constants(tmp_path / "none.toml")


def test_a_file_that_is_not_toml_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("speed: 20")
    with pytest.raises(InvalidInput, match=r"mine\.toml are not TOML"):
        load_constants(path)
