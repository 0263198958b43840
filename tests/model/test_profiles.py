"""TenantProfile: its defaults are the first seed's figures, and a mistake in one is told with its place."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import InvalidProfile
from model.profiles import Startup, TenantProfile

KATA = {"runtimeClassName": "kata-qemu"}


def test_the_priors_are_the_first_seeds_figures() -> None:
    assert Startup().model_dump(by_alias=True) == {
        "sandboxSeconds": 3,
        "initSeconds": 3,
        "applicationSeconds": {"amd64": 33, "arm64": 50},
        "readySeconds": 4,
        "pullSecondsPerImage": 5,
        "pullMegabytesPerSecond": 32,
        "parallelImagePulls": False,
        "contentionMillisecondsPerStart": 100,
    }


def test_a_profile_that_says_little_gates_its_pods_and_leaves_them_their_scheduler() -> None:
    spec = TenantProfile.from_spec("quiet", {"runtimeClassPolicy": "Default"}).spec
    assert (spec.scheduling_gates, spec.scheduler_name, spec.tolerations, spec.peer_pods.enabled) == (
        ("stoker.dev/warm-node",),
        None,
        (),
        False,
    )


def test_the_windows_of_settling_default_to_what_was_measured() -> None:
    spec = TenantProfile.from_spec("kata", KATA).spec
    assert (spec.settle_seconds, spec.install_settle_seconds, spec.max_hold_seconds) == (20, 130, 120)


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ({}, "runtimeClassPolicy Enforce needs a runtimeClassName"),
        (None, "spec: Input should be"),
        ([], "spec: Input should be"),
        ({**KATA, "settleSecond": 1}, "spec.settleSecond: Extra inputs are not permitted"),
        ({**KATA, "settleSeconds": -1}, "spec.settleSeconds: .*greater than or equal to 0"),
        ({**KATA, "installSettleSeconds": 86_401}, "spec.installSettleSeconds: .*less than or equal to 86400"),
        ({**KATA, "settleSeconds": "soon"}, "spec.settleSeconds: .*integer"),
        ({**KATA, "settleSeconds": 1.5}, "spec.settleSeconds: .*integer"),
        ({**KATA, "settleSeconds": float("nan")}, "spec.settleSeconds: .*"),
        ({**KATA, "runtimeClassPolicy": "Sometimes"}, "spec.runtimeClassPolicy: .*'Enforce' or 'Default'"),
        ({**KATA, "startup": {"pullMegabytesPerSecond": 0}}, "spec.startup.pullMegabytesPerSecond: .*greater than"),
        ({**KATA, "startup": {"applicationSeconds": {"AMD 64": 3}}}, "spec.startup.applicationSeconds.AMD 64"),
        ({**KATA, "startup": {"applicationSeconds": {"amd64": -3}}}, "spec.startup.applicationSeconds.amd64: "),
        ({**KATA, "architecture": {"policy": "Insist"}}, "spec.architecture.policy: "),
        ({**KATA, "tolerations": [{"operator": "Exists", "value": "x"}]}, "operator Exists has no value"),
        ({**KATA, "tolerations": [{}]}, "a toleration without a key needs operator Exists"),
        ({**KATA, "tolerations": [{"key": "k", "tolerationSeconds": 5}]}, "goes with effect NoExecute only"),
        ({**KATA, "schedulingGates": ["no gate"]}, "spec.schedulingGates.0: "),
        ({**KATA, "schedulerName": "Not_A_Name"}, "spec.schedulerName: "),
    ],
)
def test_a_bad_spec_is_told_with_the_profile_the_place_and_the_reason(spec: object, complaint: str) -> None:
    with pytest.raises(InvalidProfile, match=rf"^TenantProfile 'kata-agents': .*{complaint}"):
        TenantProfile.from_spec("kata-agents", spec)


def test_every_mistake_of_a_spec_is_told_at_once() -> None:
    with pytest.raises(InvalidProfile, match=r"spec\.maxHoldSeconds: .*; spec\.settleSeconds: "):
        TenantProfile.from_spec("kata-agents", {**KATA, "settleSeconds": -1, "maxHoldSeconds": -1})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = st.sampled_from(["startup", "tolerations", "schedulingGates", "settleSeconds", "architecture", "peerPods"])


@given(st.dictionaries(MEMBERS, JSON, max_size=3))
def test_whatever_stands_in_a_spec_it_is_a_profile_or_an_invalid_one(spec: dict[str, Any]) -> None:
    try:
        profile = TenantProfile.from_spec("any", {**KATA, **spec})
    except InvalidProfile:
        return
    assert 0 <= profile.spec.settle_seconds <= 86_400
