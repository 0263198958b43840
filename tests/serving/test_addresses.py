"""Addresses as users write them."""

from __future__ import annotations

import pytest

from model.errors import InvalidInput
from serving.addresses import Address


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        (":9443", "", 9443),
        ("127.0.0.1:0", "127.0.0.1", 0),
        ("[::1]:9443", "::1", 9443),
        ("localhost:65535", "localhost", 65_535),
    ],
)
def test_an_address_is_read_and_written_back(text: str, host: str, port: int) -> None:
    address = Address.parse(text)
    assert (address.host, address.port) == (host, port)
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    ["", "9443", "host", "host:", "host:x", "host:-1", "host:65536", "::1:9443", "[host]x:1", "a b:1", "h/p:1", "h:²"],
)
def test_what_is_no_address_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"write host:port"):
        Address.parse(text)


@pytest.mark.parametrize(
    ("text", "expected"), [("127.0.0.1:1", True), ("[::1]:1", True), (":1", False), ("0.0.0.0:1", False)]
)
def test_loopback(text: str, expected: bool) -> None:
    assert Address.parse(text).is_loopback is expected


def test_a_port_that_is_taken_is_told() -> None:
    with Address("127.0.0.1", 0).bind() as taken, pytest.raises(InvalidInput, match="cannot listen on"):
        Address("127.0.0.1", taken.getsockname()[1]).bind()
