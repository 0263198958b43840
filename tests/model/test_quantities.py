"""Quantities: Kubernetes' spellings as exact integers, and a refusal for what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import InvalidInput
from model.quantities import LARGEST, amount, milli_cpus, whole


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2", 2_000),
        ("250m", 250),
        ("0.1", 100),
        (".5", 500),
        ("2.", 2_000),
        ("1500u", 2),  # rounded up
        ("1n", 1),
        ("1k", 1_000_000),
        ("0", 0),
        ("-0", 0),
        ("+1", 1_000),
    ],
)
def test_cpus_are_counted_in_thousandths(text: str, expected: int) -> None:
    assert milli_cpus(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1024", 1_024),
        ("1Ki", 1_024),
        ("1.5Gi", 1_610_612_736),
        ("128974848", 128_974_848),
        ("129e6", 129_000_000),
        ("129E6", 129_000_000),
        ("129M", 129_000_000),
        ("1E", 10**18),
        ("1e-1", 1),
        ("100m", 1),
        ("123Mi", 128_974_848),
        ("8Ei", LARGEST),
        ("9e999", LARGEST),
    ],
)
def test_other_resources_are_counted_in_bytes_or_pieces(text: str, expected: int) -> None:
    assert whole(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "abc", ".", "1 Gi", "1gi", "1KI", "1e", "1e1.5", "--1", "-1", "0x10", "1_000", "\u0661", "9" * 41, "1\n"],
)
def test_what_is_no_amount_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(InvalidInput, match="quantity"):
        whole(text)


def test_only_cpu_is_counted_in_thousandths() -> None:
    assert (amount("cpu", "1"), amount("memory", "1"), amount("nvidia.com/gpu", "1")) == (1_000, 1, 1)


@given(st.integers(0, 10**15))
def test_every_unit_of_a_thousandth_is_exact(milli: int) -> None:
    assert milli_cpus(f"{milli}m") == milli


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_more_is_never_read_as_less(one: int, other: int) -> None:
    less, more = sorted((one, other))
    assert whole(f"{less}u") <= whole(f"{more}u")
