"""Lists of names are remembered as they came; those that may be many times larger than a cluster are refused."""

from __future__ import annotations

import pytest

from extender.asked import LISTS_REMEMBERED, MOST_NAMES, AskedLists
from extender.protocol import decode_names
from model.errors import InvalidRequest


def test_the_same_bytes_are_the_same_list_as_a_moment_ago() -> None:
    lists = AskedLists(decode_names)
    first = lists.get(b'["a","b"]')
    assert lists.get(b'["b","a"]') is not first
    assert lists.get(b'["a","b"]') is first


def test_a_list_is_forgotten_once_so_many_others_came() -> None:
    lists = AskedLists(decode_names)
    first = lists.get(b'["a"]')
    for number in range(LISTS_REMEMBERED):
        lists.get(b'["%d"]' % number)
    assert lists.get(b'["a"]') is not first


def test_more_names_than_any_cluster_has_nodes_are_refused_before_they_are_read() -> None:
    lists, most = AskedLists(decode_names), b'"",' * (MOST_NAMES - 1) + b'"a"'
    assert len(list(lists.get(b"[" + most + b"]").names)) == MOST_NAMES
    with pytest.raises(InvalidRequest, match="more than 262144 nodes are named") as refused:
        lists.get(b'["b",' + most + b"]")
    assert refused.value.status == 413
