"""The proxy that spoils watches passes everything on until it is told to do otherwise."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from benchmarks.faults.meddler import GONE, Meddler, cutting
from cluster.access import Access
from cluster.client import ApiClient
from model.errors import ApiError, ConnectionFailed
from tests.cluster.scripted import PATH, Answer, bookmark, event, page, stream

WATCH = {"watch": "true", "resourceVersion": "5"}
LINE = event("MODIFIED", "a", 6)


@asynccontextmanager
async def meddling(*script: Answer) -> AsyncIterator[tuple[Meddler, ApiClient]]:
    """A client of the meddler, before a server that answers by the script."""
    answers = iter(script)

    async def answer(request: web.Request) -> web.StreamResponse:
        return await next(answers)(request)

    async def nobody() -> str | None:
        return None

    app = web.Application()
    app.router.add_get(PATH, answer)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server(shutdown_timeout=0)
    meddler = Meddler(Access(str(server.make_url("/")).rstrip("/"), ssl.create_default_context(), nobody))
    try:
        async with meddler.serving() as access, ApiClient(access) as client:
            yield meddler, client
    finally:
        await server.close()


async def follow(client: ApiClient, see: Callable[[bytes], None]) -> None:
    async with client.stream(PATH, WATCH) as content:
        async for chunk in content.iter_any():
            see(chunk)


async def test_a_list_and_a_watch_pass_as_they_are() -> None:
    async with meddling(page(5, "a"), stream(LINE, bookmark(7), then="end")) as (_, client):
        assert [item["metadata"]["name"] for item in (await client.get(PATH))["items"]] == ["a"]
        async with client.stream(PATH, WATCH) as content:
            assert await content.read() == LINE + bookmark(7)


async def test_while_it_refuses_nothing_gets_through() -> None:
    async with meddling() as (meddler, client):
        meddler.refusal = 429
        with pytest.raises(ApiError, match="429"):
            await client.get(PATH)


async def test_a_version_is_too_old_to_be_continued_from_while_it_says_so() -> None:
    async with meddling(stream(LINE, then="end")) as (meddler, client):
        meddler.expired = True
        async with client.stream(PATH, WATCH) as content:
            assert await content.read() == GONE
        async with client.stream(PATH, {"watch": "true"}) as content:
            assert await content.read() == LINE


async def test_a_cut_watch_breaks_off_in_the_middle() -> None:
    async with meddling(stream(LINE)) as (meddler, client):
        meddler.passing = cutting(lambda: 10)
        received: list[bytes] = []
        with pytest.raises(ConnectionFailed):
            await follow(client, received.append)
        assert b"".join(received) == LINE[:10]


async def test_open_watches_break_when_all_are_broken() -> None:
    async with meddling(stream(LINE)) as (meddler, client):
        with pytest.raises(ConnectionFailed):
            await follow(client, lambda _: meddler.break_all())
