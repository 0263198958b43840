"""Gates and schedulers of ours are written only while their Leases are seen renewed, and their absence is told."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from cluster import wire
from cluster.tenancy import Tenancy
from model import names
from model.profiles import TenantProfile
from tests.builders import pod, profile, review
from tests.cluster.objects import decoded
from tests.webhook.patching import apply_patch
from webhook.attendance import attended, leases_behind
from webhook.decision import Admission
from webhook.patch import encode_patch
from webhook.review import decode_review
from webhook.verdict import Verdict

OTHERS = "example.com/quota"
GATED = profile(schedulingGates=[OTHERS, names.WARM_NODE_GATE], schedulerName=names.SCHEDULER)
BOTH = (names.CONTROLLERS_LEASE, names.SCHEDULER)
DAEMON: dict[str, Any] = {"ownerReferences": [{"kind": "DaemonSet", "name": "d", "controller": True}]}


def lease(name: str, renewal: int, holder: str = "somebody") -> wire.Lease:
    spec = {"holderIdentity": holder, "renewTime": f"2026-03-03T10:00:{renewal:02}.000000Z"}
    return decoded(wire.Lease, {"metadata": {"name": name, "namespace": names.NAMESPACE}, "spec": spec})


def tenancy(*renewed: str) -> Tenancy:
    """As reflectors fill it: both Leases stand there, and renewals of those named were seen."""
    made = Tenancy(lambda: None)
    labels = {names.PROFILE_LABEL: GATED.name}
    made.namespace_changed(None, decoded(wire.Namespace, {"metadata": {"name": "tenant-a", "labels": labels}}))
    made.profiles[GATED.name] = GATED
    for name in BOTH:
        made.leases.changed(None, lease(name, 1))
        if name in renewed:
            made.leases.changed(lease(name, 1), lease(name, 3))
    return made


async def judge(view: Tenancy, manifest: dict[str, Any]) -> Verdict:
    return await Admission(view).judge(decode_review(msgspec.json.encode(review(manifest))))


async def admitted(view: Tenancy) -> tuple[list[str], str, list[str]]:
    """The gates and the scheduler that a pod is stored with, and the kinds of the warnings."""
    manifest = pod()
    verdict = await judge(view, manifest)
    stored = apply_patch(manifest, msgspec.json.decode(encode_patch(verdict.operations)))["spec"]
    gates = [gate["name"] for gate in stored.get("schedulingGates", [])]
    return gates, stored["schedulerName"], [advice.kind for advice in verdict.warnings]


async def test_with_both_leases_renewed_both_are_written_and_nothing_is_told() -> None:
    assert await admitted(tenancy(*BOTH)) == ([OTHERS, names.WARM_NODE_GATE], names.SCHEDULER, [])


async def test_without_a_controller_our_gate_is_left_out_and_others_stay() -> None:
    view = tenancy(names.SCHEDULER)
    assert await admitted(view) == ([OTHERS], names.SCHEDULER, ["gate-unattended"])


async def test_without_our_scheduler_the_pod_keeps_its_own() -> None:
    view = tenancy(names.CONTROLLERS_LEASE)
    gates = [OTHERS, names.WARM_NODE_GATE]
    assert await admitted(view) == (gates, "default-scheduler", ["scheduler-unattended"])


async def test_a_lease_that_stands_there_and_was_not_seen_renewed_counts_for_nothing() -> None:
    assert await admitted(tenancy()) == ([OTHERS], "default-scheduler", ["gate-unattended", "scheduler-unattended"])


async def test_the_gate_is_written_between_two_holders_of_the_lease() -> None:
    view = tenancy(*BOTH)
    view.leases.changed(lease(names.CONTROLLERS_LEASE, 3), lease(names.CONTROLLERS_LEASE, 4, holder=""))
    assert (await admitted(view))[0] == [OTHERS, names.WARM_NODE_GATE]


@pytest.mark.parametrize("manifest", [pod(metadata=DAEMON), pod(nodeName="n1")])
async def test_pods_that_would_get_no_gate_anyway_are_told_nothing(manifest: dict[str, Any]) -> None:
    assert (await judge(tenancy(), manifest)).warnings == ()


def test_a_profile_without_anything_of_ours_needs_no_lease() -> None:
    other = profile(schedulingGates=[OTHERS], schedulerName="volcano")
    assert attended(other, lambda _: False) == (other, ())


@pytest.mark.parametrize(
    ("profiles", "leases"),
    [
        ([], set()),
        ([profile(schedulingGates=[OTHERS], schedulerName="volcano")], set()),
        ([profile(schedulingGates=[OTHERS, names.WARM_NODE_GATE])], {names.CONTROLLERS_LEASE}),
        ([profile(schedulingGates=[], schedulerName=names.SCHEDULER)], {names.SCHEDULER}),
        ([profile(schedulingGates=[]), GATED], set(BOTH)),
    ],
)
def test_only_the_leases_behind_what_profiles_name_are_waited_for(
    profiles: list[TenantProfile], leases: set[str]
) -> None:
    assert leases_behind(profiles) == leases


def test_warnings_are_short_enough_for_the_api() -> None:
    _, advice = attended(GATED, lambda _: False)
    assert [len(item.text) <= 120 for item in advice] == [True, True]
