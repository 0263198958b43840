"""From a review to a verdict: what is ours, what is waited for, what is refused."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.builders import pod, profile, review
from tests.webhook.tenants import Tenants
from webhook.decision import Admission
from webhook.review import decode_review
from webhook.verdict import Verdict

KATA = profile(runtimeClassName="kata-qemu", runtimeClassPolicy="Enforce")
LABELLED: dict[str, str | None] = {"tenant-a": "kata-agents"}


async def judge(tenants: Tenants, manifest: dict[str, Any], **request: Any) -> Verdict:
    return await judge_with(Admission(tenants, clock=lambda: 0.0), manifest, **request)


async def judge_with(admission: Admission, manifest: dict[str, Any], **request: Any) -> Verdict:
    return await admission.judge(decode_review(msgspec.json.encode(review(manifest, **request))))


async def test_a_tenants_pod_is_mutated() -> None:
    verdict = await judge(Tenants(LABELLED, KATA), pod())
    assert verdict.outcome == "mutated"
    assert verdict.profile == "kata-agents"
    assert verdict.audit_annotations == {
        "outcome": "mutated",
        "profile": "kata-agents",
        "operations": "runtime-class=1 annotation=1",
    }


async def test_a_pod_that_has_everything_is_unchanged() -> None:
    annotated = pod(metadata={"annotations": {"stoker.dev/profile": "kata-agents"}}, runtimeClassName="kata-qemu")
    assert (await judge(Tenants(LABELLED, KATA), annotated)).outcome == "unchanged"


async def test_the_namespace_is_the_requests_not_the_objects() -> None:
    verdict = await judge(Tenants({"tenant-a": None, "elsewhere": "kata-agents"}, KATA), pod(), namespace="elsewhere")
    assert verdict.outcome == "mutated"


@pytest.mark.parametrize(
    "request_members",
    [
        {"operation": "UPDATE"},
        {"operation": "CONNECT", "subResource": "exec"},
        {"subResource": "binding"},
        {"operation": "DELETE"},
    ],
)
async def test_only_creation_is_mutated(request_members: dict[str, Any]) -> None:
    assert await judge(Tenants(LABELLED, KATA), pod(), **request_members) == Verdict.passing()


async def test_an_object_that_is_no_pod_passes_with_a_warning() -> None:
    deployment = {"kind": "Deployment", "spec": {"containers": "not what a pod has"}}
    resource = {"group": "apps", "version": "v1", "resource": "deployments"}
    verdict = await judge(Tenants(LABELLED, KATA), deployment, resource=resource)
    assert verdict.allowed
    assert verdict.operations == ()
    assert [advice.kind for advice in verdict.warnings] == ["not-a-pod"]


async def test_another_class_is_refused() -> None:
    verdict = await judge(Tenants(LABELLED, KATA), pod(runtimeClassName="gvisor"))
    assert verdict.refusal is not None
    assert (verdict.refusal.reason, verdict.refusal.code) == ("runtime_class", 403)


async def test_not_synced_fails_closed_and_says_why() -> None:
    tenants = Tenants(LABELLED, KATA)
    tenants.unready = "namespaces are not synced"
    verdict = await judge(tenants, pod())
    assert verdict.refusal is not None
    assert (verdict.refusal.reason, verdict.refusal.code) == ("not_ready", 503)
    assert "namespaces are not synced" in verdict.refusal.message


async def test_a_mirror_pod_passes_whatever_the_state() -> None:
    tenants = Tenants()
    tenants.unready = "nothing is synced"
    assert (await judge(tenants, pod(metadata={"annotations": {"kubernetes.io/config.mirror": "h"}}))).allowed


async def test_an_unseen_namespace_is_waited_for() -> None:
    tenants = Tenants({}, KATA, on_wait=lambda state: state.namespaces.update(LABELLED))
    assert (await judge(tenants, pod())).outcome == "mutated"
    assert tenants.waits == 1


async def test_an_unseen_profile_is_waited_for() -> None:
    tenants = Tenants(LABELLED, on_wait=lambda state: state.profiles.update({KATA.name: KATA}))
    assert (await judge(tenants, pod())).outcome == "mutated"


async def test_a_label_that_is_not_seen_yet_is_waited_for() -> None:
    tenants = Tenants({"tenant-a": None}, KATA, on_wait=lambda state: state.namespaces.update(LABELLED))
    assert (await judge(tenants, pod())).outcome == "mutated"


async def test_changes_that_bring_nothing_do_not_prolong_the_budget() -> None:
    now = [0.0]

    def pass_time(_: Tenants) -> None:
        now[0] += 0.4

    tenants = Tenants(LABELLED, on_wait=pass_time)
    verdict = await judge_with(Admission(tenants, lag_budget_seconds=1.0, clock=lambda: now[0]), pod())
    assert not verdict.allowed
    assert tenants.waits == 3


async def test_a_namespace_that_stays_unseen_is_refused_for_now() -> None:
    verdict = await judge(Tenants(), pod())
    assert verdict.refusal is not None
    assert (verdict.refusal.reason, verdict.refusal.code) == ("unseen_namespace", 503)
    assert "tenant-a" in verdict.refusal.message


async def test_a_namespace_whose_label_is_gone_gets_nothing() -> None:
    assert await judge(Tenants({"tenant-a": None}, KATA), pod()) == Verdict.passing()


async def test_an_unknown_profile_is_refused_with_its_name_and_the_namespaces() -> None:
    verdict = await judge(Tenants({"tenant-a": "gohst"}, KATA), pod())
    assert verdict.refusal is not None
    assert (verdict.refusal.reason, verdict.refusal.code) == ("unknown_profile", 403)
    assert all(word in verdict.refusal.message for word in ("gohst", "tenant-a", "stoker.dev/profile"))


async def test_an_unknown_profile_may_be_admitted_with_a_warning() -> None:
    tenants = Tenants({"tenant-a": "g" * 63})
    verdict = await judge_with(Admission(tenants, "admit", clock=lambda: 0.0), pod())
    assert verdict.allowed
    assert verdict.operations == ()
    assert [advice.kind for advice in verdict.warnings] == ["unknown-profile"]
    assert len(verdict.warnings[0].text) < 120


async def test_a_namespace_whose_label_names_nothing_is_refused() -> None:
    verdict = await judge(Tenants({"tenant-a": ""}, KATA), pod())
    assert verdict.refusal is not None
    assert (verdict.refusal.reason, verdict.refusal.code) == ("unknown_profile", 403)
