"""A reflector's copy follows the collection, whatever the server and the network do to the watch."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any

import pytest
from aiohttp import web
from prometheus_client import REGISTRY

from cluster import client, reflector
from cluster.freshness import BROKEN_SECONDS
from cluster.snapshot import LEASES, NAMESPACES, PROFILES, RUNTIME_CLASSES
from cluster.watching import FIRST_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS, SHORT_BACKOFF_SECONDS, backoff
from tests.cluster.scripted import (
    Following,
    bookmark,
    event,
    failure,
    following,
    line,
    listed,
    page,
    refusal,
    stream,
)


def counted(metric: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(metric, {"resource": "scripted", **labels}) or 0.0


async def synced(state: Following, *names: str) -> None:
    """Wait for the list of these names to be whole."""
    await state.until(lambda: len(state.told) >= len(names))
    await state.reflector.synced.wait()


async def test_a_streaming_list_is_whole_at_its_bookmark() -> None:
    async with following(listed(5, "a", "b")) as state:
        await synced(state, "a", "b")
        assert (state.names, state.told) == (["a", "b"], ["a appeared", "b appeared"])


async def test_a_list_without_its_bookmark_is_not_whole() -> None:
    async with following(stream(event("ADDED", "a", 1))) as state:
        await state.until(lambda: bool(state.told))
        assert state.reflector.complaint() == "scripted: not synced yet"


async def test_the_list_asks_for_initial_events_bookmarks_and_an_end() -> None:
    async with following(listed(5)) as state:
        query = await state.asked(1)
        seconds = int(query.pop("timeoutSeconds"))
        assert query == {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "sendInitialEvents": "true",
            "resourceVersionMatch": "NotOlderThan",
            "fieldSelector": "spec.x=y",
        }
        assert 300 <= seconds <= 600


async def test_changes_after_the_list_are_told_and_kept() -> None:
    after = (event("MODIFIED", "a", 6), event("ADDED", "c", 7), event("DELETED", "b", 8))
    async with following(listed(5, "a", "b", after=after)) as state:
        await state.until(lambda: "b gone" in state.told)
        assert state.told[2:] == ["a changed", "c appeared", "b gone"]
        assert state.names == ["a", "c"]


async def test_an_object_that_is_sent_again_unchanged_is_not_told_again() -> None:
    after = (event("MODIFIED", "a", 1), event("ADDED", "b", 6))
    async with following(listed(5, "a", after=after)) as state:
        await state.until(lambda: "b appeared" in state.told)
        assert state.told == ["a appeared", "b appeared"]


@pytest.mark.parametrize("status", [400, 422])
async def test_a_server_without_streaming_lists_is_read_in_pages(status: int) -> None:
    script = (refusal(status), page(4, "a", "b", token="next"), page(5, "c"), stream())
    async with following(*script) as state:
        watched = await state.asked(4)
        pages = [(query.get("limit"), query.get("continue")) for query in state.queries[1:3]]
        assert (state.names, pages) == (["a", "b", "c"], [("500", None), ("500", "next")])
        assert watched["resourceVersion"] == "5"
        assert state.reflector.complaint() is None


async def test_a_server_without_streaming_lists_is_not_asked_for_one_again() -> None:
    script = (refusal(400), page(4, "a"), refusal(410), page(9, "a", "b"))
    async with following(*script) as state:
        assert "sendInitialEvents" not in await state.asked(4)
        await state.until(lambda: state.names == ["a", "b"])


async def test_a_page_whose_continuation_expired_starts_the_list_again() -> None:
    script = (refusal(400), page(4, "a", token="old"), refusal(410), page(9, "b"), stream())
    async with following(*script) as state:
        assert (await state.asked(5))["resourceVersion"] == "9"
        assert state.names == ["b"]


@pytest.mark.parametrize(
    "gone",
    [
        (listed(5, "a", "b", "c", then="end"), refusal(410)),
        (listed(5, "a", "b", "c", after=(failure(410),)),),
        (listed(5, "a", "b", "c", then="end"), stream(failure(410))),
    ],
    ids=["as a status", "as an event", "as the first event of a resumed watch"],
)
async def test_after_410_the_difference_is_applied_and_nothing_else(gone: tuple[object, ...]) -> None:
    relist = stream(event("ADDED", "a", 1), event("ADDED", "b", 8), event("ADDED", "d", 9), bookmark(9, ends_list=True))
    async with following(*gone, relist) as state:  # type: ignore[arg-type] # answers of several kinds
        await state.until(lambda: "c gone" in state.told)
        assert state.told[3:] == ["b changed", "d appeared", "c gone"]
        assert state.names == ["a", "b", "d"]


async def test_during_a_relist_readers_see_the_old_copy() -> None:
    async with following(listed(5, "a", "b", after=(failure(410),)), stream(event("ADDED", "c", 8))) as state:
        await state.until(lambda: "c appeared" in state.told)
        assert (state.names, state.reflector.synced.is_set()) == (["a", "b", "c"], True)


async def test_a_watch_that_ends_is_resumed_from_the_last_version_seen() -> None:
    async with following(listed(5, "a", after=(event("MODIFIED", "a", 7),), then="end"), stream()) as state:
        resumed = await state.asked(2)
        assert (resumed["resourceVersion"], "sendInitialEvents" in resumed, state.waits) == ("7", False, [])


async def test_a_bookmark_moves_the_version_to_resume_from() -> None:
    async with following(listed(5, "a", after=(bookmark(90),), then="end")) as state:
        assert (await state.asked(2))["resourceVersion"] == "90"


async def test_a_deletion_moves_the_version_to_resume_from() -> None:
    async with following(listed(5, "a", after=(event("DELETED", "a", 8),), then="end")) as state:
        assert (await state.asked(2))["resourceVersion"] == "8"


async def test_a_watch_that_breaks_off_within_a_line_loses_nothing() -> None:
    change = event("MODIFIED", "a", 7)
    broken = listed(5, "a", after=(change, event("ADDED", "b", 8)[:40]), then="break")
    async with following(broken, stream(event("ADDED", "b", 8))) as state:
        await state.until(lambda: "b appeared" in state.told)
        assert (state.queries[1]["resourceVersion"], state.told) == ("7", ["a appeared", "a changed", "b appeared"])


async def test_a_line_that_comes_in_pieces_is_one_line() -> None:
    whole = event("ADDED", "b", 8)
    async with following(listed(5, "a", after=(whole[:9], whole[9:30], whole[30:-1], whole[-1:]))) as state:
        await state.until(lambda: "b appeared" in state.told)


async def test_a_line_of_three_megabytes_is_read() -> None:
    large = event("ADDED", "b", 8, metadata={"annotations": {"big": "x" * 3_000_000}})
    async with following(listed(5, "a", after=(large,))) as state:
        await state.until(lambda: "b appeared" in state.told)
        assert len(state.reflector.objects["b"].metadata.annotations["big"]) == 3_000_000


async def test_a_list_that_breaks_off_is_begun_again() -> None:
    broken = stream(event("ADDED", "a", 1), bookmark(3), event("DELETED", "x", 4), then="break")
    async with following(broken, listed(5, "a", "b")) as state:
        again = await state.asked(2)
        await synced(state, "a", "b")
        assert ("sendInitialEvents" in again, "resourceVersion" in again) == (True, False)


@pytest.mark.parametrize("empty", [stream(then="end"), stream(event("ADDED", "a", 1), then="end")])
async def test_a_list_that_ends_too_soon_is_not_asked_for_again_at_once(empty: object) -> None:
    async with following(empty, listed(5, "a")) as state:  # type: ignore[arg-type] # an answer
        await state.asked(2)
        assert len(state.waits) == 1


async def test_a_watch_that_ends_at_once_is_not_asked_for_again_at_once() -> None:
    ends = stream(then="end")
    async with following(listed(5, "a", then="end"), ends, ends, ends) as state:
        await state.until(lambda: len(state.waits) == 3)
        assert state.waits[2] > FIRST_BACKOFF_SECONDS


async def test_an_object_that_cannot_be_read_is_known_by_its_name(caplog: pytest.LogCaptureFixture) -> None:
    before = counted("stoker_bad_objects_total")
    bad = line({"type": "ADDED", "object": {"metadata": {"name": "b", "resourceVersion": "8"}, "status": "good"}})
    with caplog.at_level(logging.WARNING):
        async with following(listed(5, "a", after=(bad, event("ADDED", "c", 9)))) as state:
            await state.until(lambda: "c appeared" in state.told)
            assert (state.names, state.reflector.objects["b"].status.images) == (["a", "b", "c"], [])
    assert (counted("stoker_bad_objects_total") - before, "b: taken as unknown" in caplog.text) == (1, True)


@pytest.mark.parametrize("nameless", [{}, {"metadata": {}}, {"metadata": 7}, [], "text", None])
async def test_an_object_without_a_name_is_skipped_logged_and_counted(
    nameless: object, caplog: pytest.LogCaptureFixture
) -> None:
    before = counted("stoker_bad_objects_total")
    bad = line({"type": "ADDED", "object": nameless})
    with caplog.at_level(logging.WARNING):
        async with following(listed(5, "a", after=(bad, event("ADDED", "c", 9)))) as state:
            await state.until(lambda: "c appeared" in state.told)
            assert (state.names, len(state.queries)) == (["a", "c"], 1)
    assert (counted("stoker_bad_objects_total") - before, "skipped" in caplog.text) == (1, True)


async def test_an_object_nested_beyond_measure_ends_nothing() -> None:
    deep = b'{"type":"ADDED","object":{"metadata":{"name":"b"},"deep":' + b"[" * 100_000 + b"]" * 100_000 + b"}}\n"
    async with following(listed(5, "a", after=(deep,)), stream(event("ADDED", "c", 9))) as state:
        await state.until(lambda: "c appeared" in state.told)


async def test_an_object_that_a_listener_stumbles_over_does_not_stop_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = counted("stoker_bad_objects_total")
    async with following(listed(5, "a", "b")) as state:
        state.stumbles_over = "a"
        await synced(state, "a", "b")
        assert (state.names, len(state.queries)) == (["a", "b"], 1)
    assert counted("stoker_bad_objects_total") - before >= 1
    assert "a: passed over" in caplog.text


@pytest.mark.parametrize("noise", [b"<html>\n", b"{\n", b'{"type":"ADDED"}\n', b"[1]\n", b"\xff\xfe\n"])
async def test_a_line_that_is_no_event_makes_the_watch_start_again(noise: bytes) -> None:
    async with following(listed(5, "a", after=(noise,)), stream(event("ADDED", "b", 8))) as state:
        await state.until(lambda: "b appeared" in state.told)
        assert state.queries[1]["resourceVersion"] == "5"


@pytest.mark.parametrize("odd", [b"\n\n", line({"type": "GREETING", "object": {}})])
async def test_empty_lines_and_unknown_events_are_passed_over(odd: bytes) -> None:
    async with following(listed(5, "a", after=(odd, event("ADDED", "b", 8)))) as state:
        await state.until(lambda: "b appeared" in state.told)
        assert len(state.queries) == 1


async def test_an_error_that_is_not_410_resumes_where_it_was() -> None:
    async with following(listed(5, "a", after=(failure(500),)), stream()) as state:
        assert (await state.asked(2))["resourceVersion"] == "5"
        assert len(state.waits) == 1


async def test_a_watch_that_falls_silent_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reflector, "SILENT_SECONDS", 0.05)
    async with following(listed(5, "a"), stream(event("ADDED", "b", 8))) as state:
        await state.until(lambda: "b appeared" in state.told)
        assert state.queries[1]["resourceVersion"] == "5"


async def test_a_watch_whose_answer_does_not_begin_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError("never reached")

    monkeypatch.setattr(client, "REQUEST_SECONDS", 0.05)
    async with following(listed(5, "a", then="end"), hang, stream(event("ADDED", "b", 8))) as state:
        await state.until(lambda: "b appeared" in state.told)
        assert state.queries[2]["resourceVersion"] == "5"


async def test_a_watch_may_take_longer_than_any_other_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "REQUEST_SECONDS", 0.05)
    ends_at = asyncio.get_running_loop().time() + 0.2
    async with following(listed(5, "a")) as state:
        await state.until(lambda: asyncio.get_running_loop().time() > ends_at)
        assert (state.names, len(state.queries)) == (["a"], 1)


async def test_a_mistake_on_the_way_is_survived_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with following(listed(5, "a", then="end"), listed(9, "a", "b"), unsigned_request=2) as state:
        await state.until(lambda: "b appeared" in state.told)
    assert "watch of scripted failed" in caplog.text


# When the copy counts as stale. The clock is the test's.


async def test_a_copy_that_follows_is_without_complaint() -> None:
    async with following(listed(5, "a")) as state:
        await synced(state, "a")
        assert state.reflector.complaint() is None


async def test_a_watch_that_cannot_be_resumed_for_30_seconds_makes_the_copy_stale() -> None:
    async with following(listed(5, "a", then="end"), *(refusal(503) for _ in range(200))) as state:
        await state.until(lambda: len(state.waits) >= 2)
        state.now += 30.0
        assert state.reflector.complaint() is None
        state.now += 1.0
        assert state.reflector.complaint() == "scripted: stale, the watch has been broken for 31 s"


async def test_a_watch_that_is_resumed_is_not_broken_though_nothing_happens() -> None:
    async with following(listed(5, "a", then="end"), refusal(503), stream()) as state:
        await state.until(lambda: len(state.queries) == 3)
        state.now += 31.0
        await state.until_resumed()


async def test_the_end_of_a_list_that_is_told_twice_takes_nothing_away() -> None:
    async with following(listed(5, "a", "b", after=(bookmark(5, ends_list=True), event("ADDED", "c", 6)))) as state:
        await state.until(lambda: "c appeared" in state.told)
        assert state.names == ["a", "b", "c"]


async def test_a_watch_that_breaks_whenever_it_is_resumed_makes_the_copy_stale() -> None:
    async with following(listed(5, "a", then="end"), *(stream(then="break") for _ in range(2_000))) as state:
        await state.until(lambda: len(state.waits) >= 2)
        state.now += 31.0
        await state.until(lambda: len(state.queries) >= 6)
        assert state.reflector.complaint() == "scripted: stale, the watch has been broken for 31 s"


async def test_a_watch_that_ends_as_soon_as_it_is_open_is_not_resumed_by_the_wait_after_it() -> None:
    async with following(listed(5, "a", then="end"), *(stream(then="end") for _ in range(8))) as state:
        state.endless_wait = 8
        await state.until(lambda: len(state.waits) >= 2)
        state.now += 31.0
        await state.until(lambda: len(state.waits) == 8)
        state.now += 3.0
        assert state.reflector.complaint() == "scripted: stale, the watch has been broken for 34 s"


async def test_a_watch_that_brings_a_little_whenever_it_breaks_makes_the_copy_stale() -> None:
    little = [stream(event("MODIFIED", "a", 6 + number), then="break") for number in range(2_000)]
    async with following(listed(5, "a", then="end"), *little) as state:
        await state.until(lambda: len(state.waits) >= 2)
        state.now += 31.0
        await state.until(lambda: len(state.queries) >= 6)
        assert state.reflector.complaint() == "scripted: stale, the watch has been broken for 31 s"


async def test_a_list_that_makes_it_whole_mends_a_watch_that_broke() -> None:
    script = (listed(5, "a", then="end"), refusal(503), refusal(410), listed(9, "a", "b"))
    async with following(*script) as state:
        await state.until(lambda: "b appeared" in state.told)
        await state.until(lambda: state.reflector.complaint() is None)
        state.now += 31.0
        assert state.reflector.complaint() is None


async def test_lists_that_expire_before_they_are_whole_make_the_copy_stale() -> None:
    begun = [stream(event("ADDED", "a", 9 + number), failure(410)) for number in range(2_000)]
    async with following(listed(5, "a", after=(failure(410),)), *begun) as state:
        await state.until(lambda: len(state.waits) >= 2)
        state.now += 31.0
        await state.until(lambda: len(state.queries) >= 6)
        assert state.reflector.complaint() == "scripted: stale, the watch has been broken for 31 s"


async def test_half_a_list_is_no_news_of_the_copy() -> None:
    later = asyncio.Event()
    half = stream(event("ADDED", "b", 8), later, event("ADDED", "c", 9))
    async with following(listed(5, "a", after=(failure(410),)), half) as state:
        await state.until(lambda: "b appeared" in state.told)
        state.now += 151.0
        later.set()
        await state.until(lambda: "c appeared" in state.told)
        assert state.reflector.complaint() == "scripted: stale, no event for 151 s"


async def test_a_watch_silent_for_150_seconds_makes_the_copy_stale() -> None:
    async with following(listed(5, "a")) as state:
        await synced(state, "a")
        state.now += 150.0
        assert state.reflector.complaint() is None
        state.now += 1.0
        assert state.reflector.complaint() == "scripted: stale, no event for 151 s"


async def test_an_outage_is_no_silence_of_the_watch_that_is_resumed_after_it() -> None:
    """A quiet collection's first bookmark comes a minute later."""
    outage = [refusal(503) for _ in range(200)]
    async with following(listed(5, "a", then="end"), *outage, stream()) as state:
        await state.until(lambda: len(state.waits) >= 2)
        state.now += 170.0
        await state.asked(202)
        await state.until_resumed()
        state.now += 120.0
        assert state.reflector.complaint() is None
        state.now += 31.0
        assert "stale, no event for" in (state.reflector.complaint() or "")


async def test_a_watch_that_stays_silent_whenever_it_is_resumed_makes_the_copy_stale() -> None:
    ended = asyncio.Event()
    async with following(listed(5, "a", then="end"), stream(ended, then="end"), stream()) as state:
        await state.asked(2)
        state.now += 151.0
        ended.set()
        await state.asked(3)
        state.now += 3.0
        assert state.reflector.complaint() == "scripted: stale, no event for 154 s"


async def test_the_first_failures_leave_the_copy_unsynced_and_say_so() -> None:
    async with following(refusal(403), refusal(403), refusal(403)) as state:
        await state.until(lambda: len(state.waits) == 3)
        assert state.reflector.complaint() == "scripted: not synced yet (GET /api/v1/nodes: 403 no)"


# Back-off.


@pytest.mark.parametrize(
    ("failures", "longest"),
    [(1, 0.25), (2, 0.5), (3, 1.0), (5, 4.0), (6, 8.0), (7, 10.0), (50, 10.0), (10**9, 10.0)],
)
def test_the_wait_doubles_up_to_the_longest_and_is_spread_over_half_of_it(failures: int, longest: float) -> None:
    waits = [backoff(failures, LONGEST_BACKOFF_SECONDS) for _ in range(200)]
    assert longest / 2 <= min(waits) < max(waits) <= longest
    assert FIRST_BACKOFF_SECONDS / 2 <= min(waits) <= max(waits) <= LONGEST_BACKOFF_SECONDS


async def test_each_failure_in_a_row_waits_longer_and_progress_forgives_them_all() -> None:
    script = (*(refusal(503) for _ in range(4)), listed(5, "a", then="break"))
    async with following(*script) as state:
        await state.until(lambda: len(state.waits) >= 5)
        assert state.waits[3] > state.waits[0]
        assert state.waits[4] <= FIRST_BACKOFF_SECONDS


async def test_a_small_collection_is_asked_for_again_every_two_seconds_at_least() -> None:
    async with following(*(refusal(503) for _ in range(30)), is_small=True) as state:
        await state.until(lambda: len(state.waits) >= 30)
        assert SHORT_BACKOFF_SECONDS / 2 <= min(state.waits[5:]) < max(state.waits) <= SHORT_BACKOFF_SECONDS


def test_what_admission_goes_by_is_small() -> None:
    assert all(resource.is_small for resource in (NAMESPACES, PROFILES, RUNTIME_CLASSES, LEASES))


async def test_a_server_that_has_come_back_without_our_version_is_asked_for_a_list_at_once() -> None:
    script = (listed(5, "a", then="end"), *(refusal(503) for _ in range(9)), refusal(410), listed(9, "b"))
    async with following(*script) as state:
        await state.until(lambda: state.names == ["b"])
        assert state.waits[8] > FIRST_BACKOFF_SECONDS
        assert state.waits[9:] == [wait for wait in state.waits[9:] if wait <= FIRST_BACKOFF_SECONDS]


async def test_a_watch_that_was_open_for_seconds_forgives_the_failures_before_it_though_it_brought_nothing() -> None:
    ended = asyncio.Event()
    async with following(
        listed(5, "a", then="end"), *(refusal(503) for _ in range(9)), stream(ended, then="end")
    ) as state:
        await state.asked(11)
        state.now += 31.0
        await state.until_resumed()
        ended.set()
        await state.until(lambda: len(state.waits) >= 10)
        assert state.waits[9] <= FIRST_BACKOFF_SECONDS < state.waits[8]


async def test_restarts_and_lists_are_counted() -> None:
    restarts = counted("stoker_watch_restarts_total", reason="expired")
    lists = counted("stoker_relists_total")
    async with following(listed(5, "a", after=(failure(410),)), listed(9, "a", "b")) as state:
        await state.until(lambda: "b appeared" in state.told)
    assert counted("stoker_watch_restarts_total", reason="expired") - restarts == 1
    assert counted("stoker_relists_total") - lists == 2


async def test_events_in_the_wrong_order_are_not_believed_and_the_collection_is_listed_again() -> None:
    """The second event is older than the deletion before it: it would bring back a node that is gone."""
    mixed_up = (event("DELETED", "a", 9), event("MODIFIED", "a", 8))
    async with following(listed(5, "a", "b", after=mixed_up), listed(10, "b")) as state:
        await state.asked(2)
        await state.until(lambda: state.reflector.complaint() is None and state.names == ["b"])
        assert "sendInitialEvents" in state.queries[1]
        assert state.told.count("a appeared") == 1


async def test_an_event_that_comes_twice_in_a_row_changes_nothing() -> None:
    twice = (event("MODIFIED", "a", 6), event("MODIFIED", "a", 6), event("DELETED", "b", 7), event("DELETED", "b", 7))
    async with following(listed(5, "a", "b", after=twice)) as state:
        await state.until(lambda: state.told[-1:] == ["b gone"])
        assert state.told == ["a appeared", "b appeared", "a changed", "b gone"]
        assert len(state.queries) == 1


async def test_options_of_connections_that_a_platform_lacks_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """As macOS lacks TCP_KEEPIDLE."""
    monkeypatch.delattr(socket, "TCP_KEEPIDLE")
    async with following(listed(5, "a")) as state:
        await synced(state, "a")


async def test_a_connection_is_questioned_when_it_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is gone with its machine sends nothing, not even an end."""
    made: list[socket.socket] = []

    class Remembered(socket.socket):
        def __init__(self, *arguments: Any, **more: Any) -> None:
            super().__init__(*arguments, **more)
            if not more:  # those that are accepted are made of a file's number
                made.append(self)

    monkeypatch.setattr("cluster.client.socket.socket", Remembered)
    async with following(listed(5, "a")) as state:
        await state.until(lambda: state.names == ["a"])
        [connection] = [item for item in made if not item.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)]
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) <= BROKEN_SECONDS
