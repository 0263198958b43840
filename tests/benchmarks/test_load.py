"""The load generator's results, and the order in which sides are asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.load import NUMBER, Answers, Generator, Load, Trust, in_turn, quantile
from model.errors import LabError


def generator(directory: Path, *, micros: list[int], failed: int = 0) -> Generator:
    """A stand-in for the program, which keeps what it was asked with."""
    output = {
        "micros": micros,
        "seconds": 2.0,
        "sent": 4,
        "failed": failed,
        "failure": "503 Service Unavailable" if failed else "",
    }
    program = directory / "load"
    program.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" >> {directory}/asked\necho '{json.dumps(output)}'\n")
    program.chmod(0o755)
    return Generator(program, directory)


@pytest.mark.parametrize(("share", "expected"), [(0.5, 2.0), (0.99, 4.0), (0.25, 1.0), (1.0, 4.0)])
def test_a_quantile_is_by_nearest_rank(share: float, expected: float) -> None:
    assert quantile([1.0, 2.0, 3.0, 4.0], share) == expected


async def test_answers_are_told_in_milliseconds_and_in_rising_order(tmp_path: Path) -> None:
    found = await generator(tmp_path, micros=[3_000, 1_000, 2_000]).send("http://x/", Load([b"{}"]))
    assert found == Answers((1.0, 2.0, 3.0), 2.0, sent=4)


async def test_a_failed_request_fails_the_bench_with_what_was_answered(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="503 Service Unavailable"):
        await generator(tmp_path, micros=[1_000], failed=1).send("http://x/", Load([b"{}"]))


async def test_no_two_loads_of_a_generator_use_the_same_numbers(tmp_path: Path) -> None:
    asking, load = generator(tmp_path, micros=[1]), Load([NUMBER.encode()], requests=10)
    await asking.send("http://x/", load)
    await asking.send("http://x/", load, Trust(token="t"))
    asked = (tmp_path / "asked").read_text().splitlines()
    assert [line for line in asked if line.startswith("-first=")] == ["-first=0", "-first=10"]


async def test_every_other_round_begins_with_the_last_side() -> None:
    order: list[str] = []

    async def ours() -> int:
        order.append("ours")
        return 1

    async def theirs() -> int:
        order.append("theirs")
        return 2

    found = await in_turn({"ours": ours, "theirs": theirs}, 3)
    assert order == ["ours", "theirs", "theirs", "ours", "ours", "theirs"]
    assert found == {"ours": [1, 1, 1], "theirs": [2, 2, 2]}
