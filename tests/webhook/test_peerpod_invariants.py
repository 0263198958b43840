"""What holds for every peer pod: a second look changes nothing, and others may come between two looks as they like."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from model.profiles import TenantProfile
from tests.builders import container, pod, profile
from tests.webhook.patching import mutated, operations_for
from webhook.peerpods import GPU, MACHINE_TYPE, MEMORY_MEBIBYTES, VCPUS, VM

AMOUNTS = {
    "cpu": st.integers(0, 4_000).map(lambda milli: f"{milli}m"),
    "memory": st.integers(0, 4_096).map(lambda mebi: f"{mebi}Mi"),
    GPU: st.integers(0, 2).map(str),
    VM: st.just("1"),
    "ephemeral-storage": st.just("1Gi"),
}
LISTS = st.sampled_from(["containers", "initContainers"])
OWN = st.dictionaries(st.sampled_from([VCPUS, MEMORY_MEBIBYTES, MACHINE_TYPE, "a/b"]), st.sampled_from(["1", "2"]))

Manifest = dict[str, Any]


@st.composite
def resources(draw: st.DrawFn) -> Manifest:
    """Each resource with a limit, with a request, or with the same for both."""
    found: dict[str, dict[str, str]] = {"limits": {}, "requests": {}}
    for name, amounts in AMOUNTS.items():
        members = draw(st.sampled_from([(), (), ("limits",), ("requests",), ("limits", "requests")]))
        found |= {member: {**found[member], name: text} for text in [draw(amounts)] for member in members}
    return {member: quantities for member, quantities in found.items() if quantities}


@st.composite
def containers(draw: st.DrawFn, name: str) -> Manifest:
    members = draw(st.fixed_dictionaries({}, optional={"resources": resources()}))
    return {**container(name), **members, **draw(st.sampled_from([{}, {"restartPolicy": "Always"}]))}


@st.composite
def pods(draw: st.DrawFn) -> Manifest:
    main = [draw(containers(f"main-{number}")) for number in range(draw(st.integers(1, 3)))]
    spec = draw(st.fixed_dictionaries({}, optional={"overhead": st.just({"cpu": "250m"}), "resources": resources()}))
    init = [draw(containers(f"init-{number}")) for number in range(draw(st.integers(0, 3)))]
    made = pod("p", *main, initContainers=init, metadata={"annotations": draw(OWN)})
    return {**made, "spec": {**made["spec"], **spec}}


PROFILES = st.builds(
    lambda members: profile(runtimeClassName="kata-remote", peerPods={"enabled": True, **members}),
    st.fixed_dictionaries({}, optional={"instanceType": st.sampled_from(["1", "t3.small"])}),
)


def stored(manifest: Manifest) -> Manifest:
    """Without empty maps of quantities, which the API server does not keep."""
    spec = manifest["spec"]
    for holder in (spec, *spec["initContainers"], *spec["containers"]):
        kept = {member: quantities for member, quantities in holder.pop("resources", {}).items() if quantities}
        if kept:
            holder["resources"] = kept
    return manifest


def with_container(manifest: Manifest, member: str, place: int, added: Manifest) -> Manifest:
    changed = copy.deepcopy(manifest)
    changed["spec"][member].insert(place, added)
    return changed


@given(pods(), PROFILES)
def test_a_second_look_at_a_peer_pod_changes_nothing(manifest: Manifest, tenant: TenantProfile) -> None:
    once = mutated(manifest, tenant)
    assert operations_for(once, tenant) == []
    assert operations_for(stored(once), tenant) == []


@given(pods(), PROFILES, LISTS, st.integers(0, 3), containers("added"))
def test_a_container_added_between_two_looks_counts_as_if_it_had_been_there(
    manifest: Manifest, tenant: TenantProfile, member: str, place: int, added: Manifest
) -> None:
    between = with_container(stored(mutated(manifest, tenant)), member, place, added)
    together = with_container(manifest, member, place, added)
    assert stored(mutated(between, tenant)) == stored(mutated(together, tenant))


@given(pods(), PROFILES, resources())
def test_defaults_filled_in_between_two_looks_change_nothing(
    manifest: Manifest, tenant: TenantProfile, defaults: Manifest
) -> None:
    once = stored(mutated(manifest, tenant))
    asked = {item["name"] for item in manifest["spec"]["containers"] if "cpu" in str(item.get("resources"))}
    between = copy.deepcopy(once)
    for item in between["spec"]["containers"]:
        if item["name"] in asked:
            for part, quantities in defaults.items():
                moved = {name: text for name, text in quantities.items() if name in ("cpu", "memory")}
                item.setdefault("resources", {}).setdefault(part, {}).update(moved)
    assert stored(mutated(between, tenant)) == once


@given(pods(), PROFILES)
def test_an_authors_annotations_are_never_touched(manifest: Manifest, tenant: TenantProfile) -> None:
    before = manifest["metadata"]["annotations"]
    after = mutated(manifest, tenant)["metadata"]["annotations"]
    assert {name: after[name] for name in before} == before


@given(pods(), PROFILES)
def test_the_pod_carries_one_virtual_machine_and_nothing_that_was_moved(
    manifest: Manifest, tenant: TenantProfile
) -> None:
    spec = mutated(manifest, tenant)["spec"]
    holders = [holder.get("resources", {}) for holder in (spec, *spec["initContainers"], *spec["containers"])]
    for member in ("limits", "requests"):
        quantities = [(name, text) for holder in holders for name, text in holder.get(member, {}).items()]
        assert [item for item in quantities if item[0] in ("cpu", "memory", GPU, VM)] == [(VM, "1")]
