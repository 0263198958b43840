"""Tenancy: namespaces, profiles and runtime classes as they are told, a bad profile passed over."""

from __future__ import annotations

import asyncio
import logging

import pytest

from cluster import wire
from cluster.tenancy import Tenancy
from tests.cluster.objects import decoded


def new_tenancy() -> Tenancy:
    return Tenancy(lambda: None)


def namespace(name: str = "tenant-a", **labels: str) -> wire.Namespace:
    return decoded(wire.Namespace, {"metadata": {"name": name, "labels": labels}})


def labelled(profile: str) -> wire.Namespace:
    return decoded(wire.Namespace, {"metadata": {"name": "tenant-a", "labels": {"stoker.dev/profile": profile}}})


def profile(**spec: object) -> wire.TenantProfile:
    return decoded(
        wire.TenantProfile, {"metadata": {"name": "kata"}, "spec": {"runtimeClassName": "kata-qemu", **spec}}
    )


def runtime_class(handler: str) -> wire.RuntimeClass:
    return decoded(wire.RuntimeClass, {"metadata": {"name": "kata"}, "handler": handler})


def test_a_namespace_has_the_profile_its_label_names() -> None:
    tenancy = new_tenancy()
    tenancy.namespace_changed(None, labelled("kata"))
    assert tenancy.namespace_profile("tenant-a") == "kata"


def test_a_namespace_that_lost_its_label_has_no_profile() -> None:
    tenancy = new_tenancy()
    tenancy.namespace_changed(None, labelled("kata"))
    tenancy.namespace_changed(labelled("kata"), namespace())
    assert tenancy.namespace_profile("tenant-a") is None


def test_a_namespace_not_seen_or_gone_is_not_taken_for_one_without_profile() -> None:
    tenancy = new_tenancy()
    tenancy.namespace_changed(None, namespace())
    tenancy.namespace_changed(namespace(), None)
    with pytest.raises(KeyError):
        tenancy.namespace_profile("tenant-a")


def test_a_profile_is_read_and_goes_with_its_object() -> None:
    tenancy = new_tenancy()
    tenancy.profile_changed(None, profile(settleSeconds=7))
    read = tenancy.profile("kata")
    assert read is not None
    assert read.spec.settle_seconds == 7
    tenancy.profile_changed(profile(), None)
    assert tenancy.profile("kata") is None


def test_a_profile_that_turned_bad_is_passed_over_and_told(caplog: pytest.LogCaptureFixture) -> None:
    tenancy = new_tenancy()
    tenancy.profile_changed(None, profile())
    with caplog.at_level(logging.WARNING):
        tenancy.profile_changed(profile(), profile(settleSeconds=-1))
    assert tenancy.profile("kata") is None
    assert "TenantProfile 'kata': spec.settleSeconds" in caplog.text


def test_a_runtime_class_names_its_handler() -> None:
    tenancy = new_tenancy()
    tenancy.runtime_class_changed(None, runtime_class("kata-qemu"))
    assert tenancy.handler_of("kata") == "kata-qemu"


@pytest.mark.parametrize("told", [None, runtime_class("")])
def test_a_runtime_class_of_unknown_handler_is_taken_to_be_named_as_it(told: wire.RuntimeClass | None) -> None:
    tenancy = new_tenancy()
    tenancy.runtime_class_changed(None, runtime_class("kata-qemu"))
    tenancy.runtime_class_changed(runtime_class("kata-qemu"), told)
    assert tenancy.handler_of("kata") == "kata"


@pytest.mark.parametrize("named", [None, ""])
def test_a_pod_without_runtime_class_has_no_handler(named: str | None) -> None:
    assert new_tenancy().handler_of(named) == ""


async def test_a_change_of_namespaces_or_profiles_wakes_all_who_wait() -> None:
    tenancy = new_tenancy()
    waiting = [asyncio.create_task(tenancy.changed(60.0)) for _ in range(2)]
    await asyncio.sleep(0)
    tenancy.namespace_changed(None, namespace())
    assert await asyncio.gather(*waiting) == [True, True]
    waiting = [asyncio.create_task(tenancy.changed(60.0))]
    await asyncio.sleep(0)
    tenancy.profile_changed(None, profile())
    assert await asyncio.gather(*waiting) == [True]


async def test_a_change_of_before_does_not_wake_who_waits_now() -> None:
    tenancy = new_tenancy()
    tenancy.namespace_changed(None, namespace())
    assert await tenancy.changed(0.0) is False
