"""Names are found as a dictionary finds them, however they are spelled and whatever came and went before."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extender import directory
from extender.columns import LEAST_CAPACITY, NOBODY
from extender.directory import Directory, RowsByName, spelling_of

LETTERS = st.sampled_from("ab-.0")
NAMES = st.text(LETTERS, min_size=1, max_size=40) | st.text(LETTERS, min_size=240, max_size=260)


def written(names: list[str]) -> bytes:
    """As Go writes them: no blanks."""
    return json.dumps(names, separators=(",", ":")).encode()


def found(subject: Directory, names: list[str]) -> list[int]:
    spelling = spelling_of(written(names))
    assert spelling is not None
    return subject.find(spelling).tolist()  # type: ignore[no-any-return]


def of(names: list[str]) -> Directory:
    subject = Directory()
    capacity = LEAST_CAPACITY
    for row, name in enumerate(names, NOBODY + 1):
        while row >= capacity:
            capacity *= 2
            subject.grow(capacity)
        subject.add(name, row)
    return subject


@given(st.data())
def test_every_name_is_found_where_the_dictionary_has_it(data: st.DataObject) -> None:
    pool = data.draw(st.lists(NAMES, min_size=1, max_size=12, unique=True))
    subject, free = Directory(), list(range(NOBODY + 1, LEAST_CAPACITY))
    for name in data.draw(st.lists(st.sampled_from(pool), max_size=40)):
        if name in subject.by_name:
            free.append(subject.by_name[name])
            subject.remove(name)
        else:
            subject.add(name, free.pop())
        asked = data.draw(st.lists(st.sampled_from(pool) | NAMES, min_size=1, max_size=8))
        assert found(subject, asked) == [subject.by_name.get(item, NOBODY) for item in asked]


def test_a_fleet_is_found_in_any_order() -> None:
    names = [f"ip-10-0-{number // 250}-{number % 250}.us-west-2.compute.internal" for number in range(3_000)]
    subject, asked = of(names), [*names[1_500:], *names[1_499::-1]]
    assert found(subject, asked) == [names.index(name) + 1 for name in asked]


def test_names_that_share_their_slots_are_found_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory, "SLOTS_PER_ROW", 1)
    names = [f"node-{number}" for number in range(LEAST_CAPACITY - 1)]
    assert found(of(names), names) == list(range(1, LEAST_CAPACITY))


def test_the_beginning_of_a_name_and_a_longer_one_are_other_names() -> None:
    assert found(of(["node-001"]), ["node-00", "node-001", "node-001x", "node-001" * 40]) == [NOBODY, 1, NOBODY, NOBODY]


def test_a_row_that_became_another_nodes_is_no_more_that_of_the_first() -> None:
    subject = of(["first"])
    subject.remove("first")
    subject.add("second", 1)
    assert found(subject, ["first", "second"]) == [NOBODY, 1]


@pytest.mark.parametrize(
    "raw",
    [
        b"null",
        b"[]",
        b'"node"',
        b'{"a":"b"}',
        b'["a", "b"]',
        b'[ "a","b"]',
        b'["a","b" ]',
        b'["a",["b"],"c"]',
        b'["a",1,"b"]',
        b'["a",{"b":"c"},"d"]',
        b'["a\\"b"]',
        b'["a\\u0062"]',
        '["ümlaut"]'.encode(),
    ],
)
def test_what_is_not_plainly_spelled_has_to_be_read(raw: bytes) -> None:
    assert spelling_of(raw) is None


def test_a_plain_list_is_spelled_as_it_is_read() -> None:
    spelling = spelling_of(b'["a","","node-1"]')
    assert spelling is not None
    assert spelling.names(np.arange(3)) == ["a", "", "node-1"]


class CountedRows(RowsByName):
    """Counts how often a name is looked up."""

    looks = 0

    def get(self, name: str, otherwise: int) -> int:  # type: ignore[override] # as it is asked here
        self.looks += 1
        return super().get(name, otherwise)


def test_a_name_that_is_no_nodes_is_looked_up_once_however_many_words_it_has() -> None:
    subject = of([f"ip-10-0-0-{number}.us-west-2.compute.internal" for number in range(200)])
    subject.by_name = rows = CountedRows(subject.by_name)
    strangers = [f"192-168-{number}.a-node-of-another-cluster" for number in range(300)]
    assert (found(subject, strangers), rows.looks) == ([NOBODY] * 300, 300)
