"""Answers that no handler meant to give."""

from __future__ import annotations

import asyncio
import logging

import pytest
from prometheus_client import REGISTRY

from model.errors import InvalidRequest
from serving.apps import App
from serving.messages import Answer, Request
from tests.serving.client import client_of


def _breaks(_: Request) -> Answer:
    raise RuntimeError("a defect")


async def _breaks_later(_: Request) -> Answer:
    raise RuntimeError("a defect")


async def _times_out(_: Request) -> Answer:
    raise TimeoutError


def _refuses(_: Request) -> Answer:
    raise InvalidRequest("that will not do", status=413, reason="test_reason")


async def _refuses_later(_: Request) -> Answer:
    raise InvalidRequest("that will not do", status=413, reason="test_reason")


async def _never_ends(_: Request) -> Answer:
    await asyncio.Event().wait()
    raise AssertionError("nobody sets it")


def application() -> App:
    app = App("test", handling_deadline_seconds=0.05)
    for handle in (_never_ends, _breaks, _breaks_later, _times_out, _refuses, _refuses_later):
        app.get(f"/{handle.__name__.strip('_').replace('_', '-')}", handle)
    return app


@pytest.mark.parametrize("path", ["/breaks", "/breaks-later", "/times-out"])
async def test_an_unexpected_error_is_a_503_with_the_traceback_in_the_log(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with client_of(application()) as client:
        response = await client.get(path)
        text = await response.text()
    assert response.status == 503
    assert "defect" not in text
    assert [record.exc_info is not None for record in caplog.records if record.levelno >= logging.ERROR] == [True]


@pytest.mark.parametrize("path", ["/refuses", "/refuses-later"])
async def test_an_invalid_request_is_answered_and_counted_as_it_says(path: str) -> None:
    labels = {"listener": "test", "reason": "test_reason"}
    before = REGISTRY.get_sample_value("stoker_http_refused_total", labels) or 0
    async with client_of(application()) as client:
        response = await client.get(path)
        assert (response.status, await response.text()) == (413, "that will not do\n")
    assert REGISTRY.get_sample_value("stoker_http_refused_total", labels) == before + 1


async def test_a_handler_that_does_not_end_is_ended_and_answered_503() -> None:
    labels = {"listener": "test", "reason": "slow_handling"}
    before = REGISTRY.get_sample_value("stoker_http_refused_total", labels) or 0
    async with client_of(application()) as client:
        response = await client.get("/never-ends")
        assert (response.status, await response.text()) == (503, "no answer was found within 0.05 s\n")
    assert REGISTRY.get_sample_value("stoker_http_refused_total", labels) == before + 1


async def test_paths_of_strangers_make_no_metric_of_their_own() -> None:
    labels = {"listener": "test", "path": "unknown", "code": "404"}
    before = REGISTRY.get_sample_value("stoker_http_request_seconds_count", labels) or 0
    async with client_of(application()) as client:
        response = await client.get("/no/such/path")
        assert "/breaks" in await response.text()
    assert REGISTRY.get_sample_value("stoker_http_request_seconds_count", labels) == before + 1
