"""The extender over HTTP: a sentence for what is malformed, an answer for everything else."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from prometheus_client import REGISTRY

from extender.app import LATE_SECONDS, OVERDUE_SECONDS, build_app
from serving.apps import MAX_BODY_BYTES, App
from tests.extender.world import World, arguments
from tests.serving.client import client_of

HEADERS = {"Content-Type": "application/json"}
VERBS = ("/filter", "/prioritize")
RUNC = ["", "runc"]
ODD_NAMES = ["", " ", "n/1", "../n", "ümlaut", "名前", "a" * 10_000, 'quo"te', "new\nline", "\x00", "🔥", "warm "]


@pytest.fixture
def world() -> World:
    result = World()
    result.add("warm")
    result.add("runc", handlers=RUNC)
    return result


@pytest_asyncio.fixture
async def client(world: World) -> AsyncIterator[ClientSession]:
    async with client_of(build_app(world.scheduling, waited=lambda _: world.waited)) as running:
        yield running


async def ask(client: ClientSession, path: str, body: bytes) -> Any:
    async with client.post(path, data=io.BytesIO(body), headers=HEADERS) as response:
        assert (response.status, response.content_type) == (200, "application/json")
        raw = await response.read()
        assert response.headers["Content-Length"] == str(len(raw))
        return json.loads(raw)


def refused(reason: str) -> float:
    labels = {"listener": "extender", "reason": reason}
    return REGISTRY.get_sample_value("stoker_http_refused_total", labels) or 0.0


def answered(verb: str, basis: str) -> float:
    return REGISTRY.get_sample_value("stoker_extender_answers_total", {"verb": verb, "basis": basis}) or 0.0


async def test_filter_passes_all_but_those_that_never_can(client: ClientSession) -> None:
    answer = await ask(client, "/filter", arguments("warm", "runc", "unknown"))
    assert answer["NodeNames"] == ["warm", "unknown"]
    assert list(answer["FailedAndUnresolvableNodes"]) == ["runc"]
    assert (answer["FailedNodes"], answer["Error"]) == ({}, "")


async def test_filter_gives_the_same_reason_every_time(client: ClientSession) -> None:
    first = await ask(client, "/filter", arguments("runc"))
    assert await ask(client, "/filter", arguments("runc")) == first
    assert first["NodeNames"] == []


async def test_prioritize_lists_every_node_in_the_order_asked(client: ClientSession) -> None:
    answer = await ask(client, "/prioritize", arguments("unknown", "runc", "warm"))
    assert answer == [{"Host": "unknown", "Score": 5}, {"Host": "runc", "Score": 0}, {"Host": "warm", "Score": 10}]


@pytest.mark.parametrize("path", VERBS)
async def test_no_nodes_at_all_are_answered(client: ClientSession, path: str) -> None:
    answer = await ask(client, path, arguments())
    assert (answer["NodeNames"] if path == "/filter" else answer) == []


async def test_odd_names_come_back_as_they_were_sent(client: ClientSession) -> None:
    priorities = await ask(client, "/prioritize", arguments(*ODD_NAMES))
    assert [(item["Host"], item["Score"]) for item in priorities] == [(name, 5) for name in ODD_NAMES]
    assert (await ask(client, "/filter", arguments(*ODD_NAMES)))["NodeNames"] == ODD_NAMES


async def test_a_hundred_thousand_unknown_names_get_neutral_whole_scores(client: ClientSession) -> None:
    names = [f"node-{number}" for number in range(100_000)]
    priorities = await ask(client, "/prioritize", arguments(*names))
    assert [item["Host"] for item in priorities] == names
    assert {(type(item["Score"]), item["Score"]) for item in priorities} == {(int, 5)}
    assert (await ask(client, "/filter", arguments(*names)))["NodeNames"] == names


MALFORMED = [
    (b"", HEADERS, 400, "empty_body", "the body is empty"),
    (b"pod", HEADERS, 400, "not_json", "the body is not JSON"),
    (arguments("n1")[:-9], HEADERS, 400, "not_json", "the body is not JSON"),
    (b"[]", HEADERS, 400, "not_extender_args", "not ExtenderArgs with a Pod and NodeNames"),
    (b'{"NodeNames":["n1"]}', HEADERS, 400, "not_extender_args", "missing required field `Pod`"),
    (arguments(NodeNames=None), HEADERS, 400, "no_node_names", "set nodeCacheCapable: true"),
    (b"[" * 200_000, HEADERS, 400, "not_extender_args", "not ExtenderArgs"),
    (b'{"X":' + b"[" * 200_000, HEADERS, 400, "not_extender_args", "nested too deeply"),
    (arguments("n1"), {"Content-Type": "text/plain"}, 415, "content_type", "send application/json"),
    (arguments("n1"), {**HEADERS, "Content-Encoding": "compress"}, 415, "content_encoding", "uncompressed"),
    (b" " * (MAX_BODY_BYTES + 1), HEADERS, 413, "too_large", "over the limit of 8388608 bytes"),
]


@pytest.mark.parametrize("path", VERBS)
@pytest.mark.parametrize(
    ("body", "headers", "status", "reason", "sentence"), MALFORMED, ids=[item[3] for item in MALFORMED]
)
async def test_what_is_malformed_gets_a_sentence_and_a_metric(
    client: ClientSession,
    path: str,
    body: bytes,
    headers: dict[str, str],
    status: int,
    reason: str,
    sentence: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = refused(reason)
    async with client.post(path, data=io.BytesIO(body), headers=headers) as response:
        text = await response.text()
    assert (response.status, text.count("\n")) == (status, 1)
    assert sentence in text
    assert refused(reason) - before == 1
    assert [record.levelname for record in caplog.records] == ["WARNING"]


async def test_a_body_of_the_limit_is_still_read(client: ClientSession) -> None:
    body = arguments("warm")
    assert await ask(client, "/prioritize", body + b" " * (MAX_BODY_BYTES - len(body))) == [
        {"Host": "warm", "Score": 10}
    ]


@pytest.mark.parametrize("complaint", ["nodes: not synced yet", "pods: stale, no event for 151 s"])
async def test_without_a_reliable_snapshot_every_node_passes_and_scores_the_same(
    client: ClientSession, world: World, complaint: str
) -> None:
    world.complaint = complaint
    names = ("warm", "runc", "unknown")
    assert (await ask(client, "/filter", arguments(*names)))["NodeNames"] == list(names)
    assert [item["Score"] for item in await ask(client, "/prioritize", arguments(*names))] == [5, 5, 5]


async def test_a_pod_that_is_no_tenants_is_left_to_the_scheduler(client: ClientSession) -> None:
    assert (await ask(client, "/filter", arguments("warm", "runc", profile=None)))["NodeNames"] == ["warm", "runc"]
    answer = await ask(client, "/prioritize", arguments("warm", "runc", profile=None))
    assert [item["Score"] for item in answer] == [5, 5]


async def test_a_mistake_of_ours_is_neutral_logged_and_counted(
    client: ClientSession, world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: str) -> None:
        raise ZeroDivisionError("a mistake")

    def counts() -> list[float]:
        return [
            answered(verb, basis)
            for verb in ("filter", "prioritize")
            for basis in ("neutral: internal error", "forecast")
        ]

    monkeypatch.setattr(world.fleet, "node", fail)
    before = counts()
    assert (await ask(client, "/filter", arguments("warm", "runc")))["NodeNames"] == ["warm", "runc"]
    assert [item["Score"] for item in await ask(client, "/prioritize", arguments("warm", "runc"))] == [5, 5]
    assert [now - then for now, then in zip(counts(), before, strict=True)] == [1, 0, 1, 0]
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["a mistake", "a mistake"]


async def test_an_unknown_verb_says_what_is_served(client: ClientSession) -> None:
    async with client.post("/preempt", data=b"{}", headers=HEADERS) as response:
        assert (response.status, "/filter, /prioritize" in await response.text()) == (404, True)


async def test_a_request_that_comes_to_its_turn_late_is_answered_without_a_forecast(
    client: ClientSession, world: World
) -> None:
    before = [answered(verb, "neutral: late") for verb in ("filter", "prioritize")]
    world.waited = LATE_SECONDS + 0.1
    assert (await ask(client, "/filter", arguments("warm", "runc")))["NodeNames"] == ["warm", "runc"]
    assert [item["Score"] for item in await ask(client, "/prioritize", arguments("warm", "runc"))] == [5, 5]
    assert [answered(verb, "neutral: late") for verb in ("filter", "prioritize")] == [count + 1 for count in before]


async def test_the_first_request_that_is_in_time_again_gets_its_forecast(client: ClientSession, world: World) -> None:
    world.waited = LATE_SECONDS + 0.1
    await ask(client, "/prioritize", arguments("warm", "runc"))
    world.waited = LATE_SECONDS
    assert [item["Score"] for item in await ask(client, "/prioritize", arguments("warm", "runc"))] == [10, 0]


async def test_a_request_that_is_overdue_is_refused_unread(client: ClientSession, world: World) -> None:
    before = refused("overload")
    world.waited = OVERDUE_SECONDS + 0.1
    async with client.post("/prioritize", data=io.BytesIO(b"not even JSON"), headers=HEADERS) as response:
        assert response.status == 503
    assert refused("overload") - before == 1


async def test_beyond_the_bodies_that_may_wait_requests_are_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("extender.app.MOST_WAITING_BYTES", 100)
    app, before = build_app(world.scheduling), refused("overload")

    async def status(client: ClientSession) -> int:
        async with client.post("/filter", data=io.BytesIO(arguments("warm")), headers=HEADERS) as response:
            return response.status

    async with client_of(app) as client:
        with holding(app, 100):
            assert await status(client) == 503
        assert await status(client) == 200
    assert refused("overload") - before == 1


@contextmanager
def holding(app: App, size_bytes: int) -> Iterator[None]:
    """So much waits for its turn, again whenever it has come."""

    def wait() -> None:
        app.turns.wait("somebody", wait, size_bytes)

    wait()
    try:
        yield
    finally:
        app.turns.leave("somebody")
