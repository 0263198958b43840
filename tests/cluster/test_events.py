"""Events are written in the background, once a minute each, and are dropped rather than waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from prometheus_client import REGISTRY

from cluster.client import ApiClient
from cluster.events import EVENTS_PER_SECOND, LONGEST_WAIT_SECONDS, QUEUE_LENGTH, EventRecorder, PodEvent
from model.errors import ApiError, ConnectionFailed


class RecordedApi:
    """The part of a client that a recorder uses; keeps what is created, or fails as it is told."""

    def __init__(self, *failures: Exception) -> None:
        self.written: list[tuple[str, dict[str, Any]]] = []
        self._failures = list(failures)
        self._news = asyncio.Event()

    async def create(self, path: str, body: dict[str, Any]) -> None:
        if self._failures:
            raise self._failures.pop(0)
        self.written.append((path, body))
        self._news.set()

    async def wrote(self, count: int) -> None:
        async with asyncio.timeout(20.0):
            while len(self.written) < count:
                self._news.clear()
                await self._news.wait()


class AtOnce:
    """A sleep that takes no time and remembers how long it should have taken."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.waits.append(seconds)
        await asyncio.sleep(0)


def forecast(name: str = "agent-1", message: str = "ready in about 43 s") -> PodEvent:
    return PodEvent("tenant-a", name, f"uid-{name}", "Forecast", message, (("stoker.dev/forecast", "{}"),))


def recorder(api: RecordedApi, sleep: AtOnce | None = None) -> EventRecorder:
    client: ApiClient = api  # type: ignore[assignment] # the one method a recorder calls
    return EventRecorder(client, "stoker-extender", sleep=sleep or AtOnce())


@asynccontextmanager
async def running(subject: EventRecorder) -> AsyncIterator[None]:
    task = asyncio.create_task(subject.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def emitted(outcome: str) -> float:
    return REGISTRY.get_sample_value("stoker_events_emitted_total", {"outcome": outcome}) or 0.0


async def test_an_event_names_its_pod_and_carries_its_annotations() -> None:
    api = RecordedApi()
    subject = recorder(api)
    subject.emit(forecast())
    async with running(subject):
        await api.wrote(1)
    path, body = api.written[0]
    assert path == "/api/v1/namespaces/tenant-a/events"
    assert body["metadata"]["annotations"] == {"stoker.dev/forecast": "{}"}
    assert (body["involvedObject"]["name"], body["involvedObject"]["uid"]) == ("agent-1", "uid-agent-1")
    assert (body["reason"], body["message"], body["source"]) == (
        "Forecast",
        "ready in about 43 s",
        {"component": "stoker-extender"},
    )


async def test_what_repeats_is_said_once() -> None:
    api, before = RecordedApi(), emitted("repeated")
    subject = recorder(api)
    for item in (forecast(), forecast(), forecast(message="another"), forecast()):
        subject.emit(item)
    async with running(subject):
        await api.wrote(2)
    assert [body["message"] for _, body in api.written] == ["ready in about 43 s", "another"]
    assert emitted("repeated") - before == 2


async def test_what_exceeds_the_queue_is_dropped_and_counted_and_may_be_said_later() -> None:
    api, before = RecordedApi(), emitted("dropped")
    subject = recorder(api)
    for number in range(QUEUE_LENGTH + 3):
        subject.emit(forecast(f"agent-{number}"))
    assert emitted("dropped") - before == 3
    async with running(subject):
        await api.wrote(QUEUE_LENGTH)
        subject.emit(forecast(f"agent-{QUEUE_LENGTH}"))
        await api.wrote(QUEUE_LENGTH + 1)


def test_whoever_emits_is_told_whether_the_event_was_taken() -> None:
    subject = recorder(RecordedApi())
    assert [subject.emit(forecast(f"agent-{number}")) for number in range(QUEUE_LENGTH)] == [True] * QUEUE_LENGTH
    assert not subject.emit(forecast("one-too-many"))


def test_what_repeats_counts_as_taken() -> None:
    subject = recorder(RecordedApi())
    assert subject.emit(forecast())
    assert subject.emit(forecast())


@pytest.mark.parametrize("error", [ApiError("forbidden", status=403), ConnectionFailed("no answer")])
async def test_an_event_that_is_refused_is_given_up_and_the_next_is_written(error: Exception) -> None:
    api, before = RecordedApi(error), emitted("refused")
    subject = recorder(api)
    subject.emit(forecast("first"))
    subject.emit(forecast("second"))
    async with running(subject):
        await api.wrote(1)
    assert (api.written[0][1]["involvedObject"]["name"], emitted("refused") - before) == ("second", 1)


async def test_no_more_than_the_allowed_rate_is_written() -> None:
    api, sleep = RecordedApi(), AtOnce()
    subject = recorder(api, sleep)
    for number in range(5):
        subject.emit(forecast(f"agent-{number}"))
    async with running(subject):
        await api.wrote(5)
    assert set(sleep.waits) == {1 / EVENTS_PER_SECOND}
    assert len(sleep.waits) >= 4


async def test_a_message_and_a_name_are_cut_to_what_the_api_takes() -> None:
    api = RecordedApi()
    subject = recorder(api)
    subject.emit(forecast("a" * 199 + "-" * 20, "m" * 5_000))
    async with running(subject):
        await api.wrote(1)
    body = api.written[0][1]
    assert len(body["message"]) == 1_024
    assert body["metadata"]["name"].startswith("a" * 199 + ".")


class Busy:
    """Says that other writes are under way until it was asked so often; each time a second passes."""

    def __init__(self, times: float) -> None:
        self.left = times
        self.seconds = 0.0

    def __call__(self) -> bool:
        self.left -= 1
        self.seconds += 1.0
        return self.left >= 0


def patient(api: RecordedApi, busy: Busy) -> EventRecorder:
    client: ApiClient = api  # type: ignore[assignment] # the one method a recorder calls
    return EventRecorder(client, "stoker-placement", is_busy=busy, sleep=AtOnce(), clock=lambda: busy.seconds)


async def test_an_event_waits_for_writes_that_matter_more() -> None:
    api, busy = RecordedApi(), Busy(3)
    subject = patient(api, busy)
    subject.emit(forecast())
    async with running(subject):
        await api.wrote(1)
    assert busy.seconds == 4.0


async def test_an_event_does_not_wait_for_ever() -> None:
    api, busy = RecordedApi(), Busy(float("inf"))
    subject = patient(api, busy)
    subject.emit(forecast())
    async with running(subject):
        await api.wrote(1)
    assert busy.seconds == LONGEST_WAIT_SECONDS
