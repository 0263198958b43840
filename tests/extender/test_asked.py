"""Lists of names are remembered as they came, but for those that may be many times larger than a cluster."""

from __future__ import annotations

import json

import pytest

from extender.asked import LISTS_REMEMBERED, AskedLists
from extender.directory import MOST_NAMES
from extender.protocol import decode_names


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


@pytest.mark.parametrize("raw", [b'["a", "b"]', b"[" + b'"",' * MOST_NAMES + b'"a"]'])
def test_what_no_scheduler_sends_is_answered_and_not_kept(raw: bytes) -> None:
    lists = AskedLists(decode_names)
    first = lists.get(raw)
    assert list(first.names) == json.loads(raw)
    assert lists.get(raw) is not first
