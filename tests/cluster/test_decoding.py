"""Each event of a batch goes with the line that it was read from."""

from __future__ import annotations

import json

import pytest

from cluster import wire
from cluster.decoding import Decoding
from cluster.watching import lines

NAMES = ("p1", "p2", "p3")


def told(name: str) -> bytes:
    return json.dumps({"type": "ADDED", "object": {"metadata": {"name": name}}}).encode()


@pytest.mark.parametrize("between", [b"\n", b"\n \n", b"\r\n\r\n"])
def test_the_json_of_an_object_is_its_own_whatever_is_between_the_lines(between: bytes) -> None:
    decoding = Decoding("pods", wire.Pod)
    batch = between.join(map(told, NAMES)) + b"\n"
    texts = lines(batch)
    events = decoding.changes(batch, texts)
    assert [event and event.object.metadata.name for event in events] == list(NAMES)
    assert [json.loads(decoding.document(text))["metadata"]["name"] for text in texts] == list(NAMES)


@pytest.mark.parametrize("batch", [b" ".join(map(told, NAMES)), told("p1").replace(b", ", b",\n")])
def test_lines_that_do_not_hold_one_event_each_are_read_one_by_one(batch: bytes) -> None:
    texts = lines(batch)
    assert Decoding("pods", wire.Pod).changes(batch, texts) == [None] * len(texts)
