"""Where a pod may not go because of the required anti-affinity of pods that are there already."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster import wire
from cluster.bound import outline
from cluster.clock import Clock
from cluster.fleet import Fleet
from cluster.repulsions import Repulsion, Repulsions
from cluster.tenancy import Tenancy
from model.selectors import Expression, PodIdentity
from tests.cluster.objects import node, pod

ZONE, HOSTNAME = "topology.kubernetes.io/zone", "kubernetes.io/hostname"
AGENT = PodIdentity("tenant-a", {"app": "agent"})


def hermit(name: str = "hermit", *, on: str = "n1", key: str = HOSTNAME, **members: Any) -> wire.Pod:
    """A pod that wants no agents in its domain; a term's and a status' members may be given."""
    term = {"topologyKey": key, "labelSelector": {"matchLabels": {"app": "agent"}}}
    for member in ("labelSelector", "namespaces", "namespaceSelector"):
        if member in members:
            term[member] = members.pop(member)
    affinity = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    return pod(name, on=on, spec={"affinity": affinity}, **members)


@pytest.fixture
def fleet() -> Fleet:
    """Two nodes of one zone."""
    result = Fleet(Clock(), Tenancy(lambda: None))
    for name in ("n1", "n2"):
        result.node_changed(None, node(name, metadata={"labels": {HOSTNAME: name, ZONE: "a"}}))
    return result


def test_a_pod_on_its_node_closes_its_domain_to_those_that_it_repels(fleet: Fleet) -> None:
    fleet.pod_changed(None, hermit())
    assert fleet.domains_closed_to(AGENT) == {(HOSTNAME, "n1")}
    fleet.pod_changed(None, hermit("other", on="n2", key=ZONE))
    assert fleet.domains_closed_to(AGENT) == {(HOSTNAME, "n1"), (ZONE, "a")}


@pytest.mark.parametrize(
    "other", [PodIdentity("tenant-a", {"app": "database"}), PodIdentity("tenant-b", {"app": "agent"})]
)
def test_it_closes_nothing_to_pods_of_other_labels_or_of_other_namespaces(fleet: Fleet, other: PodIdentity) -> None:
    fleet.pod_changed(None, hermit())
    assert fleet.domains_closed_to(other) == frozenset()


@pytest.mark.parametrize("homes", [{"namespaces": ["tenant-b"]}, {"namespaceSelector": {"matchLabels": {"x": "y"}}}])
def test_a_term_means_the_namespaces_that_it_names_and_may_mean_any_that_its_selector_picks(
    fleet: Fleet, homes: dict[str, Any]
) -> None:
    fleet.pod_changed(None, hermit(**homes))
    assert fleet.domains_closed_to(PodIdentity("tenant-b", {"app": "agent"})) == {(HOSTNAME, "n1")}


def test_an_empty_selector_means_every_pod_of_the_namespace(fleet: Fleet) -> None:
    fleet.pod_changed(None, hermit(labelSelector={}))
    assert fleet.domains_closed_to(PodIdentity("tenant-a", {})) == {(HOSTNAME, "n1")}


def test_a_nominated_pod_closes_its_domain_and_a_pod_that_waits_does_not(fleet: Fleet) -> None:
    fleet.pod_changed(None, hermit("waits", on=""))
    assert fleet.domains_closed_to(AGENT) == frozenset()
    fleet.pod_changed(None, hermit("nominated", on="", nominatedNodeName="n2"))
    assert fleet.domains_closed_to(AGENT) == {(HOSTNAME, "n2")}


def test_a_domain_is_open_again_when_the_nomination_is_lost(fleet: Fleet) -> None:
    nominated = hermit(on="", nominatedNodeName="n2")
    fleet.pod_changed(None, nominated)
    fleet.pod_changed(nominated, hermit(on=""))
    assert fleet.domains_closed_to(AGENT) == frozenset()


def test_a_domain_is_open_again_when_the_pod_is_finished_or_gone(fleet: Fleet) -> None:
    first, second = hermit("first"), hermit("second", on="n2")
    fleet.pod_changed(None, first)
    fleet.pod_changed(None, second)
    fleet.pod_changed(outline(first), hermit("first", phase="Succeeded"))
    assert fleet.domains_closed_to(AGENT) == {(HOSTNAME, "n2")}
    fleet.pod_changed(outline(second), None)
    assert fleet.domains_closed_to(AGENT) == frozenset()


def test_a_pod_that_repels_counts_as_soon_as_its_node_is_known(fleet: Fleet) -> None:
    fleet.pod_changed(None, hermit(on="n3"))
    assert fleet.domains_closed_to(AGENT) == frozenset()
    fleet.node_changed(None, node("n3", metadata={"labels": {HOSTNAME: "n3"}}))
    assert fleet.domains_closed_to(AGENT) == {(HOSTNAME, "n3")}


def test_a_node_without_the_topologys_label_is_in_no_domain(fleet: Fleet) -> None:
    fleet.pod_changed(None, hermit(key="rack"))
    assert fleet.domains_closed_to(AGENT) == frozenset()


terms = st.builds(
    Repulsion,
    st.sampled_from([HOSTNAME, ZONE]),
    st.none() | st.frozensets(st.sampled_from(["tenant-a", "tenant-b"])),
    st.sampled_from(
        [
            (),
            (Expression("app", "Exists"),),
            (Expression("app", "DoesNotExist"),),
            (Expression("app", "In", ("agent", "other")),),
            (Expression("app", "NotIn", ("agent",)),),
        ]
    ),
)
changes = st.lists(
    st.tuples(st.sampled_from("pqr"), st.sampled_from(["n1", "n2"]), st.lists(terms, max_size=3).map(tuple))
)


@given(changes)
def test_whatever_came_before_what_stands_is_what_the_pods_that_are_there_repel(
    history: list[tuple[str, str, tuple[Repulsion, ...]]],
) -> None:
    lived = Repulsions()
    for key, where, repelled in history:
        lived.put(key, where, repelled)
    there = {key: (where, repelled) for key, where, repelled in history}
    for namespace in ("tenant-a", "tenant-b", "tenant-c"):
        for labels in ({}, {"app": "agent"}, {"app": "third"}):
            expected = {
                (where, term.topology_key)
                for where, repelled in there.values()
                for term in repelled
                if term.namespaces is None or namespace in term.namespaces
                if all(item.matches(labels) for item in term.expressions)
            }
            assert set(lived.against(PodIdentity(namespace, labels))) == expected
