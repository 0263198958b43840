"""docs/openapi.yaml and the listeners say the same, and no request gets a 500."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml
from schemathesis import GenerationMode

from tests.fuzz.surface import DESCRIPTION, Surface, apps, served

DESCRIBED_REQUESTS = 10
OTHER_REQUESTS = 200


@pytest.fixture(scope="module")
def surface() -> Iterator[Surface]:
    with served() as urls:
        yield Surface(urls, lambda *_: None)


def test_the_paths_described_are_those_that_are_served() -> None:
    paths = yaml.safe_load(DESCRIPTION.read_text())["paths"]
    described = {
        (operation["tags"][0], method.upper(), path)
        for path, operations in paths.items()
        for method, operation in operations.items()
    }
    routes = {(app.name, method, path) for app in apps() for method, path in app.operations if method != "HEAD"}
    assert routes == described


def test_what_is_described_is_answered_as_described(surface: Surface) -> None:
    surface.ask_as_described(DESCRIBED_REQUESTS, GenerationMode.POSITIVE)


def test_what_is_not_allowed_is_answered_as_described(surface: Surface) -> None:
    surface.ask_as_described(DESCRIBED_REQUESTS, GenerationMode.NEGATIVE)


def test_whatever_is_asked_there_is_no_500(surface: Surface) -> None:
    surface.ask_anything(OTHER_REQUESTS)
