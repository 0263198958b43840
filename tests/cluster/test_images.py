"""Entries of images are read once for all nodes, and their sizes counted by entry."""

from __future__ import annotations

from collections import Counter
from typing import Any
from weakref import ref

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster import wire
from cluster.images import NodeImage, node_image
from cluster.sizes import ReportedSizes
from tests.cluster.objects import decoded, image, node, node_document

NAMES = ("docker.io/library/a:v1", "docker.io/library/b:v2")


def test_nodes_that_report_the_same_entry_share_it() -> None:
    one, other = node("n1", images=[image("a:v1")]), node("n2", images=[image("b:v2"), image("a:v1")])
    assert one.status.images[0] is other.status.images[1]


def test_an_entry_that_no_node_reports_any_more_is_forgotten() -> None:
    reported = node_image(b'{"names":["gone:v1"],"sizeBytes":1}')
    kept = ref(reported)
    del reported
    assert kept() is None


def test_entries_of_other_sizes_are_others() -> None:
    assert node_image(b'{"names":["a:v1"],"sizeBytes":1}') is not node_image(b'{"names":["a:v1"],"sizeBytes":2}')


@pytest.mark.parametrize("entry", [7, {"names": "a:v1"}, {"names": [7]}, {"sizeBytes": "large"}])
def test_a_node_with_an_entry_that_cannot_be_read_cannot_be_read(entry: Any) -> None:
    with pytest.raises(msgspec.ValidationError):
        decoded(wire.Node, node_document(images=[image("a:v1"), entry]))


REPORTS = st.lists(
    st.sampled_from([NodeImage((name,), size, size) for name in NAMES for size in (0, 5, 7)]), unique=True, max_size=4
)


@given(st.lists(st.tuples(st.sampled_from(["n1", "n2", "n3"]), REPORTS), max_size=8))
def test_sizes_are_those_of_what_is_reported_now_and_observers_hear_of_each_change(
    changes: list[tuple[str, list[NodeImage]]],
) -> None:
    sizes, now, heard = ReportedSizes(), dict[str, list[NodeImage]](), Counter[str]()
    sizes.observers.append(lambda name, _: heard.update([name]))
    for node_name, report in changes:
        known = {name: sizes.bytes_of(name, "amd64") for name in NAMES}
        heard.clear()
        sizes.add("amd64", report)
        sizes.remove("amd64", now.get(node_name, []))
        now[node_name] = report
        for name in NAMES:
            found = [item.size_bytes for images in now.values() for item in images if name in item.names]
            assert sizes.bytes_of(name, "amd64") == (max(filter(None, found), default=None))
            assert bool(heard[name]) or sizes.bytes_of(name, "amd64") == known[name]
