"""The order of resource versions, as far as it can be known."""

from __future__ import annotations

import pytest

from cluster.watching import is_older


@pytest.mark.parametrize(
    ("version", "than", "older"),
    [("8", "9", True), ("9", "9", False), ("10", "9", False), ("8", "", False), ("", "9", False), ("abc", "9", False)],
)
def test_only_numbers_can_be_older(version: str, than: str, older: bool) -> None:
    assert is_older(version, than) is older
