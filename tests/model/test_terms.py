"""The terms of the forecast, one table each, with seconds computed by hand from the formulas."""

from __future__ import annotations

from typing import Any

import pytest

from model.nodes import RuntimeInstaller
from model.runtime import runtime_on
from model.terms import (
    SANDBOX_RETRY_SECONDS,
    Term,
    application_term,
    contention_term,
    init_term,
    node_term,
    pull_term,
    ready_term,
    runtime_term,
    sandbox_term,
    settle_term,
)
from tests.builders import AGENT_IMAGE, Sizes, demand, node, priors

NOW = 10_000.0
RUNC = frozenset({"", "runc"})
SIDECAR = "registry.example/sidecar:v2.0.0"
SIZES = Sizes({AGENT_IMAGE: 1_130_000_000, SIDECAR: 64_000_000})


def settle(profile: dict[str, Any] | None = None, now: float = NOW, **facts: Any) -> Term:
    warm = node(**facts)
    return settle_term(warm, runtime_on(warm, "kata-qemu", now), priors(**(profile or {})), now)


def installer(started_ago: float | None, *, created_ago: float = 9_000.0, **members: Any) -> RuntimeInstaller:
    started = None if started_ago is None else NOW - started_ago
    return RuntimeInstaller(**{"created": NOW - created_ago, "started": started, "ready": True, **members})


@pytest.mark.parametrize(
    ("ready", "created_ago", "seconds", "basis"),
    [
        (True, 5.0, 0.0, "observed"),
        (False, 0.0, 55.0, "prior"),
        (False, 35.0, 20.0, "prior"),
        (False, 54.0, 5.0, "prior"),
        (False, 75.0, 20.0, "prior"),
        (False, 9_000.0, 300.0, "prior"),
        (False, -30.0, 55.0, "prior"),  # our clock is behind the API server's
        (None, 9_000.0, 27.5, "unknown"),
        (None, 0.0, 27.5, "unknown"),
    ],
)
def test_a_node_costs_what_is_left_of_its_boot(
    ready: bool | None, created_ago: float, seconds: float, basis: str
) -> None:
    term = node_term(node(ready=ready, created=NOW - created_ago), NOW)
    assert (term.seconds, term.basis) == (seconds, basis)


@pytest.mark.parametrize(
    ("facts", "seconds", "basis"),
    [
        ({}, 0.0, "observed"),
        ({"handlers": None, "kata_label": None}, 30.0, "unknown"),
        ({"handlers": None, "kata_label": None, "created": NOW - 9_000}, 30.0, "unknown"),
        ({"handlers": RUNC, "ready": False, "kata_label": None}, 30.0, "unknown"),
        ({"handlers": RUNC, "kata_label": "false", "created": NOW - 20}, 40.0, "prior"),
        ({"handlers": RUNC, "installer": installer(None, created_ago=10.0, ready=False)}, 50.0, "prior"),
        ({"handlers": RUNC, "installer": installer(None, created_ago=100.0, ready=False)}, 40.0, "prior"),
        ({"handlers": RUNC, "installer": installer(None, created_ago=-40.0, ready=False)}, 60.0, "prior"),
    ],
)
def test_a_runtime_costs_what_is_left_of_its_installation(facts: dict[str, Any], seconds: float, basis: str) -> None:
    subject = node(**facts)
    term = runtime_term(subject, runtime_on(subject, "kata-qemu", NOW), NOW)
    assert (term.seconds, term.basis) == (seconds, basis)


FIRST_INSTALL = {"created": NOW - 200, "kata_labelled": NOW - 20}
UPGRADE = {"created": NOW - 9_000, "kata_labelled": NOW - 8_000}


@pytest.mark.parametrize(
    ("facts", "left", "note"),
    [
        # A plain restart: the window is 20 s.
        ({"containerd_restarted": NOW}, 20.0, "containerd was restarted"),
        ({"containerd_restarted": NOW - 12.5}, 7.5, "containerd was restarted"),
        ({"containerd_restarted": NOW + 2}, 20.0, "containerd was restarted"),
        # kata-deploy: 130 s after a first installation, 20 s after an upgrade.
        ({**FIRST_INSTALL, "installer": installer(30)}, 100.0, "the runtime was installed"),
        ({**UPGRADE, "installer": installer(5)}, 15.0, "kata-deploy restarted containerd"),
        ({**UPGRADE, "installer": installer(5, restarts=1)}, 15.0, "kata-deploy restarted containerd"),
        # Its container failed once before the first installation succeeded.
        ({**FIRST_INSTALL, "installer": installer(30, restarts=1)}, 100.0, "the runtime was installed"),
        # No label tells: an installer that came with its node installs for the first time.
        ({"created": NOW - 150, "installer": installer(30, created_ago=100)}, 100.0, "the runtime was installed"),
        (
            {"created": NOW - 9_000, "installer": installer(5, created_ago=100)},
            15.0,
            "kata-deploy restarted containerd",
        ),
        # The same restart told twice does not shorten the window of the installation.
        (
            {**FIRST_INSTALL, "installer": installer(30), "containerd_restarted": NOW - 28},
            100.0,
            "the runtime was installed",
        ),
        ({**FIRST_INSTALL, "installer": installer(125), "containerd_restarted": NOW}, 20.0, "containerd was restarted"),
        # An upgrade whose container has not started will restart containerd under whatever starts now.
        ({**UPGRADE, "installer": installer(None, ready=False)}, 20.0, "kata-deploy will restart containerd"),
        # Sandboxes that fail.
        ({"sandbox_failed": NOW - 5}, 15.0, "sandboxes are failing here"),
        ({"sandbox_failed": NOW - 5, "containerd_restarted": NOW - 8}, 15.0, "sandboxes are failing here"),
        ({"sandbox_failed": NOW - 8, "containerd_restarted": NOW - 5}, 15.0, "containerd was restarted"),
    ],
)
def test_an_open_window_costs_what_is_left_of_it_and_the_risk_of_a_failing_sandbox(
    facts: dict[str, Any], left: float, note: str
) -> None:
    term = settle(**facts)
    assert (term.seconds, term.note) == (left + SANDBOX_RETRY_SECONDS, note)


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"containerd_restarted": NOW - 20},
        {"containerd_restarted": 0.0, "sandbox_failed": 0.0},
        {**FIRST_INSTALL, "installer": installer(130)},
        {**UPGRADE, "installer": installer(20)},
        {"sandbox_failed": NOW - 20},
        {"containerd_restarted": NOW + 86_400},  # nobody knows the future; whoever wrote this has a wrong clock
        {"sandbox_failed": NOW + 1e12},
    ],
)
def test_a_closed_window_costs_nothing(facts: dict[str, Any]) -> None:
    assert settle(**facts) == Term("settle", 0.0, "observed")


def test_an_installation_under_way_has_the_whole_window_before_it() -> None:
    term = settle(handlers=RUNC, kata_label="false", installer=installer(None, ready=False))
    assert term.seconds == 130 + SANDBOX_RETRY_SECONDS


def test_the_windows_are_the_profiles() -> None:
    profile = {"settleSeconds": 40, "installSettleSeconds": 300}
    installed = settle(profile, **FIRST_INSTALL, installer=installer(30))
    restarted = settle(profile, containerd_restarted=NOW)
    assert (installed.seconds, restarted.seconds) == (270 + SANDBOX_RETRY_SECONDS, 40 + SANDBOX_RETRY_SECONDS)


@pytest.mark.parametrize(("handler", "seconds"), [("kata-qemu", 3.0), ("", 1.0)])
def test_a_sandbox_costs_by_its_runtime(handler: str, seconds: float) -> None:
    assert sandbox_term(demand(handler=handler), priors()).seconds == seconds


@pytest.mark.parametrize(("init", "seconds"), [(True, 3.0), (False, 0.0)])
def test_init_containers_cost_where_there_are_some(init: bool, seconds: float) -> None:
    assert init_term(demand(init=init), priors()).seconds == seconds


@pytest.mark.parametrize(
    ("facts", "images", "profile", "seconds", "basis"),
    [
        # 5 s + 1.13 GB ÷ 32 MB/s = 40.3125 s, 5 s + 64 MB ÷ 32 MB/s = 7 s.
        ({}, (AGENT_IMAGE,), {}, 0.0, "observed"),
        ({"images": frozenset()}, (AGENT_IMAGE,), {}, 40.3125, "observed"),
        ({}, (AGENT_IMAGE, SIDECAR), {}, 7.0, "observed"),
        ({"images": frozenset()}, (AGENT_IMAGE, SIDECAR), {}, 47.3125, "observed"),
        ({"images": frozenset()}, (AGENT_IMAGE, SIDECAR), {"parallelImagePulls": True}, 42.3125, "observed"),
        (
            {"images": frozenset()},
            (SIDECAR,),
            {"pullMegabytesPerSecond": 64, "pullSecondsPerImage": 0},
            1.0,
            "observed",
        ),
        # Nobody reports its size: the prior is 1.13 GB.
        ({"images": frozenset()}, ("other:v1",), {}, 40.3125, "prior"),
        # Behind a pull that runs there already; not behind its own.
        ({"images": frozenset(), "pulling": frozenset({SIDECAR})}, (AGENT_IMAGE,), {}, 47.3125, "observed"),
        ({"images": frozenset(), "pulling": frozenset({AGENT_IMAGE})}, (AGENT_IMAGE,), {}, 40.3125, "observed"),
        ({"pulling": frozenset({SIDECAR})}, (AGENT_IMAGE,), {}, 0.0, "observed"),
        # Cut off at 100 MB: the agent's image would be listed, the sidecar's may be there.
        ({"images": frozenset(), "smallest_reported_bytes": 100_000_000}, (AGENT_IMAGE,), {}, 40.3125, "observed"),
        ({"images": frozenset(), "smallest_reported_bytes": 100_000_000}, (SIDECAR,), {}, 3.5, "unknown"),
        ({"images": frozenset(), "smallest_reported_bytes": 64_000_000}, (SIDECAR,), {}, 3.5, "unknown"),
        ({"images": frozenset(), "smallest_reported_bytes": 100_000_000}, ("other:v1",), {}, 20.15625, "unknown"),
        ({"images": frozenset({SIDECAR}), "smallest_reported_bytes": 1}, (SIDECAR,), {}, 0.0, "observed"),
        # The kubelet lists nothing at all.
        ({"images": frozenset(), "images_reported": False}, (SIDECAR,), {}, 3.5, "unknown"),
    ],
)
def test_a_pull_costs_fixed_seconds_and_bytes_by_the_rate(
    facts: dict[str, Any], images: tuple[str, ...], profile: dict[str, Any], seconds: float, basis: str
) -> None:
    term = pull_term(demand(*images), node(**facts), priors(startup=profile), SIZES)
    assert term.seconds == pytest.approx(seconds)
    assert term.basis == basis


def test_a_guest_that_pulls_itself_neither_profits_from_the_node_nor_waits_for_it() -> None:
    peer_pods = priors(peerPods={"enabled": True})
    busy = node(pulling=frozenset({SIDECAR}))
    assert pull_term(demand(), busy, peer_pods, SIZES).seconds == pytest.approx(40.3125)


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"smallest_reported_bytes": 100_000_000}, "the node's list of images is cut off"),
        ({"images_reported": False}, "the node lists no images"),
    ],
)
def test_an_image_that_may_be_there_says_why_nobody_can_tell(facts: dict[str, Any], why: str) -> None:
    assert pull_term(demand(SIDECAR), node(images=frozenset(), **facts), priors(), SIZES).note == why


@pytest.mark.parametrize(
    ("architecture", "by_architecture", "seconds", "basis"),
    [
        ("amd64", {"amd64": 33, "arm64": 50}, 33.0, "prior"),
        ("arm64", {"amd64": 33, "arm64": 50}, 50.0, "prior"),
        ("riscv64", {"amd64": 33, "arm64": 50}, 50.0, "unknown"),
        ("", {"amd64": 33, "arm64": 50}, 50.0, "unknown"),
        ("amd64", {}, 0.0, "unknown"),
    ],
)
def test_an_application_costs_by_architecture(
    architecture: str, by_architecture: dict[str, int], seconds: float, basis: str
) -> None:
    term = application_term(node(architecture=architecture), priors(startup={"applicationSeconds": by_architecture}))
    assert (term.seconds, term.basis) == (seconds, basis)


def test_readiness_costs_what_the_profile_says() -> None:
    assert ready_term(priors(startup={"readySeconds": 7})).seconds == 7.0


@pytest.mark.parametrize(
    ("starting", "more", "milliseconds", "seconds"),
    [
        (0.0, 0.0, 100, 0.0),
        (7.0, 0.0, 100, 0.7),
        (7.0, 0.5, 100, 0.75),
        (1.0, -1.0, 100, 0.0),
        (0.0, -1.0, 100, 0.0),
        (3.0, 0.0, 0, 0.0),
    ],
)
def test_each_other_start_costs_its_share_and_none_costs_less_than_nothing(
    starting: float, more: float, milliseconds: int, seconds: float
) -> None:
    busy = node(starting=starting).with_more_starting(more)
    profile = priors(startup={"contentionMillisecondsPerStart": milliseconds})
    assert contention_term(busy, profile).seconds == pytest.approx(seconds)
