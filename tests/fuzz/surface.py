"""The HTTP surface: the real listeners on loopback, asked what docs/openapi.yaml describes, and what nobody described.

`python -m tests.fuzz.surface FIGURES REQUESTS` asks for long; the tests ask a few times.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.schemas import APIOperation

from extender.app import build_app as extender_app
from serving.addresses import Address
from serving.apps import App
from serving.exposition import Exposition
from serving.health import build_app as metrics_app
from serving.listener import Listener
from tests.extender.world import World
from tests.fuzz.edits import document
from tests.fuzz.measures import Measures
from tests.fuzz.questions import ARGUMENTS, PROFILES, REVIEWS
from tests.fuzz.target import require
from tests.webhook.tenants import Tenants
from webhook.app import build_app as webhook_app

load_all_checks()
from schemathesis.specs.openapi import checks  # noqa: E402 - it reads what the line before has loaded

DESCRIPTION: Final = Path(__file__).parents[2] / "docs" / "openapi.yaml"
PATIENCE_SECONDS: Final = 10.0
DESCRIBED: Final = 20
UNDESCRIBED: Final = 1_000
"""Requests of a kind in a row. Those by a schema take a hundred times as long to make up as to answer."""

CHECKS: Final = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")
MEDIA_TYPES: Final = ("application/json", "Application/JSON; charset=utf-8", "text/plain", "", "application/json, x")

Took = Callable[[float, bytes], None]


def apps() -> list[App]:
    """The applications as `stoker serve` builds them, over a small world."""
    world = World()
    world.add("warm")
    namespaces = {"tenant-a": "kata-agents", "peers": "peer-agents", "ghosts": "ghost", "free": None}
    return [
        webhook_app(Tenants(namespaces, *PROFILES)),
        extender_app(world.scheduling),
        metrics_app({"cluster": lambda: None}, Exposition(pause_seconds=0.0)),
    ]


@contextmanager
def served() -> Iterator[Mapping[str, str]]:
    """The listeners on loopback, in a thread of their own: their URLs by name."""
    listeners = [Listener(app, Address("127.0.0.1", 0)) for app in apps()]
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, loop).result(PATIENCE_SECONDS)

    try:
        for listener in listeners:
            run(listener.start())
        yield {listener.name: f"http://{listener.address}" for listener in listeners}
    finally:
        for listener in listeners:
            run(listener.drain(1.0))
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@dataclass(frozen=True, slots=True)
class Surface:
    """The listeners by name, and who is told of each request."""

    urls: Mapping[str, str]
    took: Took

    def ask_as_described(self, requests: int, mode: GenerationMode) -> None:
        """Every operation, with bodies that its schema allows or, in the negative mode, does not.

        The schemas leave out most of a pod, so not all that they allow is a pod; and what is skipped may be anything.
        """
        description = schemathesis.openapi.from_path(DESCRIPTION)
        for path, method in [(path, method) for path, methods in description.items() for method in methods]:
            operation = description[path][method]
            if operation.body or mode is GenerationMode.POSITIVE:
                self._ask_operation(operation, requests, mode)

    def _ask_operation(self, operation: APIOperation[Any, Any, Any, Any], requests: int, mode: GenerationMode) -> None:
        url = self.urls[(operation.tags or [""])[0]]
        statuses = set()

        @_many(requests if operation.body else 1)
        @given(operation.as_strategy(generation_mode=mode))
        def ask(case: schemathesis.Case[Any]) -> None:
            begun = time.perf_counter()
            response = case.call(base_url=url, timeout=PATIENCE_SECONDS)
            self.took(time.perf_counter() - begun, f"{case.method} {case.path}".encode())
            case.validate_response(response, checks=CHECKS)
            statuses.add(response.status_code)

        ask()
        if mode is GenerationMode.POSITIVE:
            require(HTTPStatus.OK in statuses, f"what {operation.label} is described to take is taken")

    def ask_anything(self, requests: int) -> None:
        """Any method, path, media type and body, of any listener."""
        paths = st.sampled_from(
            ["/mutate", "/filter", "/prioritize", "/healthz", "/metrics", "/", "/%2e%2e/mutate?a=b"]
        )
        headers = st.fixed_dictionaries(
            {"Content-Type": st.sampled_from(MEDIA_TYPES)},
            optional={"Content-Encoding": st.sampled_from(["gzip", "identity", ""]), "Expect": st.just("100-continue")},
        )
        bodies = st.binary(max_size=60).map(lambda data: document(data, (*REVIEWS, *ARGUMENTS)))

        @_many(requests)
        @given(st.sampled_from(sorted(self.urls)), st.sampled_from(METHODS), paths, headers, bodies)
        def ask(listener: str, method: str, path: str, fields: dict[str, str], body: bytes) -> None:
            begun = time.perf_counter()
            status, text = _answer(self.urls[listener], method, path, fields, body)
            self.took(time.perf_counter() - begun, body)
            require(status < HTTPStatus.INTERNAL_SERVER_ERROR, f"{method} {path} is answered {status}: {text!r}")
            if status >= HTTPStatus.BAD_REQUEST and method != "HEAD":
                require(text.endswith(b"\n") and len(text.splitlines()) == 1, "a refusal is one sentence")

        ask()


def _answer(url: str, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE_SECONDS)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def _many(examples: int) -> settings:
    return settings(max_examples=examples, database=None, deadline=None, suppress_health_check=list(HealthCheck))


def main(file: str, requests: str) -> None:
    """Ask a process of its own, whose memory is not that of whoever makes up questions."""
    serving = subprocess.Popen(
        [sys.executable, "-m", "tests.fuzz.surface"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with serving:
        urls = json.loads((serving.stdout or sys.stdin.buffer).readline())
        measures = Measures(Path(file), int(requests), lambda: (0, _resident_mebibytes(urls["metrics"])))
        surface = Surface(urls, measures.took)
        while measures.inputs < int(requests):
            surface.ask_as_described(DESCRIBED, GenerationMode.POSITIVE)
            surface.ask_as_described(DESCRIBED, GenerationMode.NEGATIVE)
            surface.ask_anything(UNDESCRIBED)
        measures.look()
        serving.communicate()


def _resident_mebibytes(url: str) -> float:
    """What the process that serves tells of itself."""
    _, text = _answer(url, "GET", "/metrics", {}, b"")
    told = re.search(rb"^process_resident_memory_bytes (\S+)$", text, re.MULTILINE)
    return float(told[1]) / 2**20 if told else 0.0


def serve() -> None:
    """Until the input ends; the URLs are the first line of the output."""
    logging.basicConfig(level=logging.ERROR, handlers=[logging.NullHandler()])
    with served() as urls:
        print(json.dumps(urls), flush=True)  # noqa: T201 - for the process that started this one
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:]) if sys.argv[1:] else serve()
