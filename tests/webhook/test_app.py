"""POST /mutate over HTTP: the answer's shape, and every way a request can be wrong."""

from __future__ import annotations

import asyncio
import base64
import io
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiohttp import ClientResponse, ClientSession
from prometheus_client import REGISTRY

from serving.apps import MAX_BODY_BYTES
from tests.builders import container, pod, profile, review
from tests.serving.client import client_of
from tests.webhook.patching import apply_patch
from tests.webhook.tenants import Tenants
from webhook.app import LATE_SECONDS, build_app

KATA = profile(runtimeClassName="kata-qemu", runtimeClassPolicy="Enforce")
JSON = {"Content-Type": "application/json"}
GOOD = msgspec.json.encode(review(pod()))


class BrokenTenants(Tenants):
    def profile(self, name: str) -> Any:
        raise RuntimeError(f"no luck with {name}")


@asynccontextmanager
async def webhook(tenants: Tenants | None = None, **options: Any) -> AsyncIterator[ClientSession]:
    tenancy = tenants or Tenants({"tenant-a": "kata-agents"}, KATA)
    async with client_of(build_app(tenancy, **options)) as client:
        yield client


async def answer(client: ClientSession, manifest: dict[str, Any], **request: Any) -> dict[str, Any]:
    response = await client.post("/mutate", data=msgspec.json.encode(review(manifest, **request)), headers=JSON)
    assert response.status == 200
    assert response.content_type == "application/json"
    decoded: dict[str, Any] = await response.json()
    assert decoded["apiVersion"] == "admission.k8s.io/v1"
    assert decoded["kind"] == "AdmissionReview"
    answered: dict[str, Any] = decoded["response"]
    return answered


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_a_mutation_is_answered_as_a_json_patch() -> None:
    manifest = pod("p", container(imagePullPolicy="Always"))
    async with webhook() as client:
        response = await answer(client, manifest, uid="u-1")
    patched = apply_patch(manifest, msgspec.json.decode(base64.b64decode(response["patch"])))
    assert response["uid"] == "u-1"
    assert response["allowed"] is True
    assert response["patchType"] == "JSONPatch"
    assert "status" not in response
    assert patched["spec"]["runtimeClassName"] == "kata-qemu"
    assert patched["spec"]["containers"][0]["imagePullPolicy"] == "IfNotPresent"


async def test_a_dry_run_is_answered_alike() -> None:
    async with webhook() as client:
        assert await answer(client, pod(), dryRun=True) == await answer(client, pod(), dryRun=False)


async def test_nothing_to_do_is_answered_without_a_patch() -> None:
    async with webhook() as client:
        response = await answer(client, pod(), operation="UPDATE")
    assert response == {
        "uid": "705ab4f5-6393-11e8",
        "allowed": True,
        "auditAnnotations": {"outcome": "passed"},
    }


async def test_a_refusal_carries_a_status() -> None:
    async with webhook() as client:
        response = await answer(client, pod(runtimeClassName="gvisor"))
    assert response["allowed"] is False
    assert response["status"]["code"] == 403
    assert response["status"]["reason"] == "Forbidden"
    assert "gvisor" in response["status"]["message"]
    assert "patch" not in response


async def test_warnings_are_passed_on() -> None:
    async with webhook() as client:
        response = await answer(client, pod(hostNetwork=True))
    assert len(response["warnings"]) == 1
    assert "hostNetwork" in response["warnings"][0]


async def test_a_pod_of_a_generated_name_has_none_and_is_mutated() -> None:
    manifest = pod(metadata={"name": "", "generateName": "agent-"})
    async with webhook() as client:
        assert "patch" in await answer(client, manifest)


async def test_an_unexpected_failure_refuses_the_pod_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    before = metric("stoker_webhook_refusals_total", reason="fault")
    async with webhook(BrokenTenants({"tenant-a": "kata-agents"})) as client:
        response = await answer(client, pod())
    assert response["allowed"] is False
    assert response["status"]["code"] == 503
    assert metric("stoker_webhook_refusals_total", reason="fault") == before + 1
    assert any(record.exc_info for record in caplog.records)


async def test_reviews_and_patches_are_counted() -> None:
    reviews = metric("stoker_webhook_reviews_total", outcome="mutated")
    operations = metric("stoker_webhook_patch_operations_total", kind="runtime-class")
    requests = metric("stoker_http_requests_total", listener="webhook", path="/mutate", code="200")
    async with webhook() as client:
        await answer(client, pod())
    assert metric("stoker_webhook_reviews_total", outcome="mutated") == reviews + 1
    assert metric("stoker_webhook_patch_operations_total", kind="runtime-class") == operations + 1
    assert metric("stoker_http_requests_total", listener="webhook", path="/mutate", code="200") == requests + 1


@pytest.mark.parametrize(("level", "lines"), [(logging.DEBUG, ["pod reviewed"]), (logging.INFO, [])])
async def test_an_ordinary_review_is_one_log_line_for_those_who_ask(
    level: int, lines: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(level, "webhook.app"):
        async with webhook() as client:
            await answer(client, pod())
    assert [record.getMessage() for record in caplog.records if record.name == "webhook.app"] == lines


async def test_a_review_with_a_warning_is_one_log_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "webhook.app"):
        async with webhook() as client:
            await answer(client, pod(hostNetwork=True))
    assert [record.getMessage() for record in caplog.records if record.name == "webhook.app"] == ["pod reviewed"]


def without(member: str) -> bytes:
    body = review(pod())
    del body["request"][member]
    return msgspec.json.encode(body)


def with_members(**members: Any) -> bytes:
    return msgspec.json.encode({**review(pod()), **members})


MALFORMED = {
    "empty": (b"", 400, "empty_body"),
    "no JSON": (b"pod: yaml", 400, "malformed"),
    "truncated": (GOOD[:-20], 400, "malformed"),
    "truncated in the pod": (GOOD[: len(GOOD) // 2], 400, "malformed"),
    "not UTF-8": (GOOD.replace(b"agent-1", b"\xff\xfe"), 400, "malformed"),
    "a list": (b"[]", 400, "malformed"),
    "a number": (b"7", 400, "malformed"),
    "null": (b"null", 400, "malformed"),
    "nested without end": (b"[" * 100_000, 400, "malformed"),
    "nested without end in the pod": (
        GOOD.replace(b'"containers":[', b'"x":' + b'{"a":' * 100_000),
        400,
        "malformed",
    ),
    "an empty object": (b"{}", 400, "wrong_kind"),
    "another kind": (with_members(kind="Pod"), 400, "wrong_kind"),
    "a kind of another type": (with_members(kind=7), 400, "malformed"),
    "another version": (with_members(apiVersion="admission.k8s.io/v1beta1"), 400, "wrong_version"),
    "no request": (with_members(request=None), 400, "no_request"),
    "no uid": (without("uid"), 400, "no_uid"),
    "an empty uid": (msgspec.json.encode(review(pod(), uid="")), 400, "no_uid"),
    "no object": (msgspec.json.encode(review(None)), 400, "no_object"),
    "no namespace": (without("namespace"), 400, "no_namespace"),
    "a pod without spec": (msgspec.json.encode(review({"kind": "Pod", "metadata": {}})), 400, "malformed"),
    "containers of another type": (msgspec.json.encode(review(pod(containers="x"))), 400, "malformed"),
    "over the limit": (b" " * (MAX_BODY_BYTES + 1), 413, "too_large"),
}


async def check_sentence(response: ClientResponse, status: int) -> None:
    text = await response.text()
    assert response.status == status
    assert response.content_type == "text/plain"
    assert text.endswith("\n")
    assert len(text.splitlines()) == 1
    assert len(text) > 20


@pytest.mark.parametrize("case", MALFORMED)
async def test_a_malformed_body_gets_a_sentence_a_log_line_and_a_metric(
    case: str, caplog: pytest.LogCaptureFixture
) -> None:
    body, status, reason = MALFORMED[case]
    before = metric("stoker_http_refused_total", listener="webhook", reason=reason)
    async with webhook() as client:
        await check_sentence(await client.post("/mutate", data=io.BytesIO(body), headers=JSON), status)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == [
        "request refused"
    ]
    assert metric("stoker_http_refused_total", listener="webhook", reason=reason) == before + 1


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "application/json; charset=utf-8"}, 200),
        ({"Content-Type": "Application/JSON"}, 200),
        ({"Content-Type": "application/json", "Content-Encoding": "identity"}, 200),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/yaml"}, 415),
        ({"Content-Type": "application/jsonp"}, 415),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, 415),
    ],
)
async def test_content_types(headers: dict[str, str], status: int) -> None:
    async with webhook() as client:
        response = await client.post("/mutate", data=GOOD, headers=headers)
        assert response.status == status


async def test_a_body_without_a_content_type_is_refused() -> None:
    async with webhook() as client:
        response = await client.post("/mutate", data=GOOD, skip_auto_headers=["Content-Type"])
        await check_sentence(response, 415)


async def test_a_chunked_body_over_the_limit_is_refused() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(9):
            yield b" " * (1024 * 1024)

    async with webhook() as client:
        await check_sentence(await client.post("/mutate", data=chunks(), headers=JSON), 413)


async def test_a_body_that_stalls_is_given_up() -> None:
    answered = asyncio.Event()

    async def stalling() -> AsyncIterator[bytes]:
        yield GOOD[:10]
        await answered.wait()

    async with webhook(body_deadline_seconds=0.05) as client:
        response = await client.post("/mutate", data=stalling(), headers=JSON)
        await check_sentence(response, 408)
        answered.set()


async def test_other_methods_and_paths_get_a_sentence() -> None:
    async with webhook() as client:
        method = await client.get("/mutate")
        await check_sentence(method, 405)
        assert method.headers["Allow"] == "POST"
        await check_sentence(await client.post("/validate", data=GOOD, headers=JSON), 404)


async def test_a_late_review_is_shed_and_counted() -> None:
    before = metric("stoker_webhook_shed_total")
    async with webhook(waited=lambda _: LATE_SECONDS * 1.1) as client:
        response = await client.post("/mutate", data=GOOD, headers=JSON)
    assert (response.status, response.headers["Retry-After"]) == (429, "1")
    assert metric("stoker_webhook_shed_total") == before + 1


async def test_a_shed_review_is_answered_on_the_same_connection_once_it_is_in_time() -> None:
    waits = iter((LATE_SECONDS * 2, LATE_SECONDS / 2))
    async with webhook(waited=lambda _: next(waits)) as client:
        statuses = [(await client.post("/mutate", data=GOOD, headers=JSON)).status for _ in range(2)]
    assert statuses == [429, 200]
