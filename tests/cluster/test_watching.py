"""A watch's bytes as batches of whole lines, however they were cut on their way, and the order of its versions."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster import watching
from cluster.watching import batches, is_older, lines

LINES = [b'{"a":1}', b"", b'{"b":' + b"2" * 300 + b"}", b'{"c":3}']


async def cut(whole: bytes, places: list[int]) -> AsyncIterator[bytes]:
    begin = 0
    for place in (*sorted(places), len(whole)):
        if place > begin:
            yield whole[begin:place]
            begin = place


@given(st.lists(st.integers(0, 320), max_size=6))
async def test_every_line_comes_whole_and_one_without_an_end_is_left_out(places: list[int]) -> None:
    whole = b"\n".join(LINES) + b'\n{"cut'
    found = [batch async for batch in batches(cut(whole, places))]
    assert all(batch.endswith(b"\n") for batch in found)
    assert [line for batch in found for line in lines(batch)] == [line for line in LINES if line]


async def test_a_batch_is_not_much_larger_than_it_may_be() -> None:
    line = b"x" * (watching.BATCH_BYTES // 3)
    found = [batch async for batch in batches(cut((line + b"\n") * 7, []))]
    assert [len(lines(batch)) for batch in found] == [2, 2, 2, 1]


@pytest.mark.parametrize("between", [b"\n\n", b"\n \n", b"\r\n\r\n", b"\n\t\n"])
def test_blank_lines_are_none(between: bytes) -> None:
    found = lines(between.join([b'{"a":1}', b'{"b":2}']))
    assert [line.strip() for line in found] == [b'{"a":1}', b'{"b":2}']


@pytest.mark.parametrize(
    ("version", "than", "older"),
    [("8", "9", True), ("9", "9", False), ("10", "9", False), ("8", "", False), ("", "9", False), ("abc", "9", False)],
)
def test_only_numbers_can_be_older(version: str, than: str, older: bool) -> None:
    assert is_older(version, than) is older
