"""Requirements: which nodes the scheduler would consider, by selector, affinity and taints."""

from __future__ import annotations

from typing import Any

import pytest

from model import names
from model.requirements import NodeTraits, Refusal, Requirements, refusal
from model.selectors import Expression, NodeTerm, PodIdentity, PodSelector
from model.taints import Taint, Toleration

AMD64 = {"kubernetes.io/arch": "amd64", "cores": "16"}


def traits(*taints: Taint, labels: dict[str, str] | None = None, cordoned: bool = False) -> NodeTraits:
    return NodeTraits("n1", AMD64 if labels is None else labels, taints, cordoned)


def wants(**members: Any) -> Requirements:
    return Requirements((("pods", 1),), **members)


@pytest.mark.parametrize(
    ("expression", "matches"),
    [
        (Expression("kubernetes.io/arch", "In", ("arm64", "amd64")), True),
        (Expression("kubernetes.io/arch", "In", ("arm64",)), False),
        (Expression("zone", "In", ("",)), False),
        (Expression("kubernetes.io/arch", "NotIn", ("arm64",)), True),
        (Expression("kubernetes.io/arch", "NotIn", ("amd64",)), False),
        (Expression("zone", "NotIn", ("a",)), True),  # what has no such label is not in the list either
        (Expression("cores", "Exists"), True),
        (Expression("zone", "Exists"), False),
        (Expression("cores", "DoesNotExist"), False),
        (Expression("zone", "DoesNotExist"), True),
        (Expression("cores", "Gt", ("8",)), True),
        (Expression("cores", "Gt", ("16",)), False),
        (Expression("cores", "Lt", ("17",)), True),
        (Expression("cores", "Lt", ("many",)), False),
        (Expression("kubernetes.io/arch", "Gt", ("8",)), False),
        (Expression("zone", "Lt", ("8",)), False),
        (Expression("cores", "Near", ("16",)), False),
    ],
)
def test_an_expression_matches_labels_as_the_scheduler_reads_it(expression: Expression, matches: bool) -> None:
    assert expression.matches(AMD64) is matches


@pytest.mark.parametrize(
    ("term", "matches"),
    [
        (NodeTerm(), False),
        (NodeTerm((Expression("cores", "Exists"), Expression("zone", "Exists"))), False),
        (NodeTerm(fields=(Expression("metadata.name", "In", ("n1",)),)), True),
        (NodeTerm(fields=(Expression("metadata.name", "In", ("n2",)),)), False),
        (NodeTerm(fields=(Expression("metadata.name", "NotIn", ("n2",)),)), True),
        (NodeTerm(fields=(Expression("metadata.uid", "NotIn", ("n2",)),)), False),
        (NodeTerm((Expression("zone", "Exists"),), (Expression("metadata.name", "In", ("n1",)),)), False),
    ],
)
def test_a_term_needs_all_its_expressions_and_fields_and_an_empty_one_matches_nothing(
    term: NodeTerm, matches: bool
) -> None:
    assert term.matches("n1", AMD64) is matches


@pytest.mark.parametrize(
    ("requirements", "expected"),
    [
        (wants(), None),
        (wants(node_selector=(("kubernetes.io/arch", "amd64"),)), None),
        (wants(node_selector=(("kubernetes.io/arch", "arm64"),)), Refusal.SELECTOR),
        (wants(node_selector=(("zone", "a"),)), Refusal.SELECTOR),
        (wants(node_terms=()), Refusal.AFFINITY),
        (wants(node_terms=(NodeTerm((Expression("zone", "Exists"),)),)), Refusal.AFFINITY),
        (
            wants(node_terms=(NodeTerm((Expression("zone", "Exists"),)), NodeTerm((Expression("cores", "Exists"),)))),
            None,
        ),
    ],
)
def test_selector_and_one_of_the_terms_must_match(requirements: Requirements, expected: Refusal | None) -> None:
    assert refusal(requirements, traits()) == expected


@pytest.mark.parametrize(
    ("toleration", "tolerated"),
    [
        (Toleration("dedicated", "Equal", "tenants", "NoSchedule"), True),
        (Toleration("dedicated", "Equal", "tenants", ""), True),
        (Toleration("dedicated", "", "tenants", "NoSchedule"), True),
        (Toleration("dedicated", "Exists", "", "NoSchedule"), True),
        (Toleration("", "Exists"), True),
        (Toleration("dedicated", "Equal", "others", "NoSchedule"), False),
        (Toleration("dedicated", "Equal", "tenants", "NoExecute"), False),
        (Toleration("other", "Exists"), False),
        (Toleration("dedicated", "Gt", "1"), False),
    ],
)
def test_a_taint_keeps_out_whoever_does_not_tolerate_it(toleration: Toleration, tolerated: bool) -> None:
    verdict = refusal(wants(tolerations=(toleration,)), traits(Taint("dedicated", "NoSchedule", "tenants")))
    assert verdict == (None if tolerated else Refusal.TAINT)


@pytest.mark.parametrize(("effect", "expected"), [("NoExecute", Refusal.TAINT), ("PreferNoSchedule", None)])
def test_no_execute_keeps_out_and_prefer_does_not(effect: str, expected: Refusal | None) -> None:
    assert refusal(wants(), traits(Taint("busy", effect))) == expected


def test_a_cordoned_node_takes_only_who_tolerates_that() -> None:
    tolerant = wants(tolerations=(Toleration("node.kubernetes.io/unschedulable", "Exists", "", "NoSchedule"),))
    assert refusal(wants(), traits(cordoned=True)) == Refusal.CORDONED
    assert refusal(tolerant, traits(cordoned=True)) is None


@pytest.mark.parametrize(
    ("repelled", "expected"),
    [
        ({("cores", "16")}, Refusal.REPELLED),
        ({("cores", "8"), ("kubernetes.io/arch", "amd64")}, Refusal.REPELLED),
        ({("cores", "8"), ("zone", "16")}, None),
    ],
)
def test_a_domain_is_closed_to_a_pod_that_somebody_there_repels(
    repelled: set[tuple[str, str]], expected: Refusal | None
) -> None:
    assert refusal(wants(repelled=frozenset(repelled)), traits()) == expected


def test_a_started_node_has_the_kata_label_and_only_the_taints_that_stay() -> None:
    dedicated = Taint("dedicated", "NoSchedule")
    starting = traits(Taint("node.kubernetes.io/not-ready", "NoSchedule"), Taint(names.NOT_WARM_TAINT, "NoSchedule"))
    started = NodeTraits("n1", AMD64, (*starting.taints, dedicated)).once_started()
    assert started.taints == (dedicated,)
    assert started.labels == {**AMD64, names.KATA_LABEL: "true"}


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        (PodSelector(frozenset({"a"})), True),
        (PodSelector(frozenset({"b"})), False),
        (PodSelector(frozenset()), False),
        (PodSelector(frozenset({"a", "b"}), (Expression("app", "In", ("x",)),)), True),
        (PodSelector(frozenset({"a"}), (Expression("app", "In", ("y",)),)), False),
        (PodSelector(frozenset({"a"}), owner="ReplicaSet/x"), True),
        (PodSelector(frozenset({"a"}), owner="ReplicaSet/y"), False),
    ],
)
def test_pods_are_selected_by_namespace_labels_and_owner(selector: PodSelector, selected: bool) -> None:
    assert selector.matches(PodIdentity("a", {"app": "x"}, "ReplicaSet/x")) is selected
