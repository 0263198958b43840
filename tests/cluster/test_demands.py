"""From API objects to requirements, preferences, and what nodes offer."""

from __future__ import annotations

from typing import Any

import pytest

from cluster import wire
from cluster.demands import (
    allocatable_of,
    amounts_of,
    identity_of,
    preferences_of,
    repulsions_of,
    requirements_of,
    traits_of,
    unjudged,
)
from model import names
from model.errors import InvalidInput
from model.preferences import HOSTNAME, SoftSpread
from model.selectors import Expression, NodeTerm, PodSelector
from model.taints import Taint, Toleration
from tests.cluster.objects import decoded, node, pod

AGENTS = frozenset({"tenant-a"})
ZONE = "topology.kubernetes.io/zone"


def container(cpu: str, **members: Any) -> dict[str, Any]:
    return {"name": "c", "image": "agent:v1", "resources": {"requests": {"cpu": cpu}}, **members}


def asking(**spec: Any) -> wire.Pod:
    return pod(spec=spec)


def required(*terms: dict[str, Any]) -> dict[str, Any]:
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}}


@pytest.mark.parametrize(
    ("spec", "milli_cpus"),
    [
        ({"containers": [container("1"), container("500m")]}, 1_500),
        ({"containers": [container("1")], "initContainers": [container("3"), container("2")]}, 3_000),
        ({"containers": [container("1")], "initContainers": [container("2", restartPolicy="Always")]}, 3_000),
        (
            {
                "containers": [container("1")],
                "initContainers": [container("2", restartPolicy="Always"), container("4")],
            },
            6_000,
        ),
        ({"containers": [container("1")], "overhead": {"cpu": "250m"}}, 1_250),
        ({"containers": [container("1")], "resources": {"requests": {"cpu": "2"}}}, 2_000),
    ],
)
def test_a_pod_asks_for_what_the_scheduler_counts(spec: dict[str, Any], milli_cpus: int) -> None:
    assert dict(amounts_of(asking(**spec))) == {"cpu": milli_cpus, "pods": 1}


def told(wanted: str, in_force: str, allocated: str = "", **status: Any) -> wire.Pod:
    """A pod with one container of that size, whose kubelet tells other sizes, and perhaps none that is allocated."""
    resources = {"resources": {"requests": {"cpu": in_force}}}
    allotted = {"allocatedResources": {"cpu": allocated}} if allocated else {}
    statuses = [{"name": "c", "state": {}, **resources, **allotted}]
    return pod(on="n1", spec={"containers": [container(wanted)]}, containerStatuses=statuses, **status)


@pytest.mark.parametrize(
    ("subject", "milli_cpus"),
    [
        (told("1", "1"), 1_000),
        (told("1", "3"), 3_000),
        (told("1", "1", "1000m"), 1_000),
        (told("2", "1", "1"), 2_000),
        (told("1", "3", "1"), 3_000),
        (told("1", "1", "3"), 3_000),
        (told("1", "2", "3", conditions=[{"type": "PodResizePending", "reason": "Deferred"}]), 3_000),
        (told("4", "2", conditions=[{"type": "PodResizePending", "reason": "Infeasible"}]), 2_000),
        (told("4", "2", "3", conditions=[{"type": "PodResizePending", "reason": "Infeasible"}]), 3_000),
    ],
)
def test_a_pod_that_is_being_resized_takes_the_largest_of_its_sizes(subject: wire.Pod, milli_cpus: int) -> None:
    assert dict(amounts_of(subject)) == {"cpu": milli_cpus, "pods": 1}


def test_a_pod_that_is_resized_as_a_whole_takes_the_largest_of_its_sizes_too() -> None:
    spec = {"containers": [container("1")], "resources": {"requests": {"cpu": "2"}}}
    subject = pod(on="n1", spec=spec, resources={"requests": {"cpu": "3"}}, allocatedResources={"cpu": "2"})
    assert dict(amounts_of(subject)) == {"cpu": 3_000, "pods": 1}


def test_of_init_containers_only_sidecars_are_resized() -> None:
    spec = {
        "containers": [],
        "initContainers": [container("1", restartPolicy="Always"), {**container("1"), "name": "d"}],
    }
    resources = {"state": {}, "resources": {"requests": {"cpu": "3"}}, "allocatedResources": {"cpu": "3"}}
    subject = pod(on="n1", spec=spec, initContainerStatuses=[{"name": name, **resources} for name in "cd"])
    assert dict(amounts_of(subject)) == {"cpu": 4_000, "pods": 1}


def test_a_quantity_that_is_none_is_an_error() -> None:
    with pytest.raises(InvalidInput, match="several"):
        requirements_of(asking(containers=[container("several")]))


def test_selectors_affinity_and_tolerations_are_requirements() -> None:
    term = {
        "matchExpressions": [{"key": ZONE, "operator": "In", "values": ["a", "b"]}],
        "matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}],
    }
    wanted = requirements_of(
        asking(
            nodeSelector={"pool": "agents", "disk": "fast"},
            affinity=required(term),
            tolerations=[{"key": "stoker.dev/tenant", "operator": "Exists"}],
        )
    )
    assert wanted.node_selector == (("disk", "fast"), ("pool", "agents"))
    assert wanted.node_terms == (
        NodeTerm((Expression(ZONE, "In", ("a", "b")),), (Expression("metadata.name", "In", ("n1",)),)),
    )
    assert wanted.tolerations == (Toleration("stoker.dev/tenant", "Exists"),)


def test_without_required_affinity_every_node_passes_and_with_an_empty_one_none() -> None:
    assert requirements_of(pod()).node_terms is None
    assert requirements_of(asking(affinity=required())).node_terms == ()


def test_a_node_offers_its_labels_taints_and_amounts() -> None:
    document = {
        "metadata": {"name": "n1", "labels": {"pool": "agents"}},
        "spec": {"unschedulable": True, "taints": [{"key": "a", "value": "b", "effect": "NoSchedule"}]},
    }
    traits = traits_of(decoded(wire.Node, document))
    assert (traits.name, traits.labels, traits.cordoned) == ("n1", {"pool": "agents"}, True)
    assert traits.taints == (Taint("a", "NoSchedule", "b"),)
    offered = node(allocatable={"cpu": "3920m", "memory": "1Gi", "pods": "110", "odd/thing": "some"})
    assert allocatable_of(offered) == {"cpu": 3_920, "memory": 2**30, "pods": 110}


@pytest.mark.parametrize(
    ("spec", "what"),
    [
        ({}, ""),
        ({"volumes": [{"name": "v", "emptyDir": {}}, {"name": "i", "image": {"reference": "a:v1"}}]}, ""),
        ({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]}, "volumes"),
        ({"volumes": [{"name": "v", "ephemeral": {"volumeClaimTemplate": {}}}]}, "volumes"),
        ({"volumes": [{"name": "v", "csi": {"driver": "csi.example.com"}}]}, ""),
        ({"volumes": [{"name": "v", "rbd": {"image": "i", "monitors": ["m"]}}]}, "volumes"),
        ({"volumes": [{"name": "v", "iscsi": {"targetPortal": "p", "iqn": "q", "lun": 0}}]}, "volumes"),
        ({"volumes": [{"name": "v", "gcePersistentDisk": {"pdName": "d"}}]}, "volumes"),
        ({"volumes": [{"name": "v", "awsElasticBlockStore": {"volumeID": "d"}}]}, "volumes"),
        ({"volumes": [{"name": "v", "azureDisk": {"diskName": "d", "diskURI": "u"}}]}, "volumes"),
        ({"volumes": [{"name": "v", "azureFile": {"secretName": "s", "shareName": "n"}}]}, ""),
        ({"volumes": [{"name": "v", "cinder": {"volumeID": "d"}}]}, "volumes"),
        ({"volumes": [{"name": "v", "portworxVolume": {"volumeID": "d"}}]}, "volumes"),
        ({"volumes": [{"name": "v", "vsphereVolume": {"volumePath": "p"}}]}, ""),
        ({"volumes": [{"name": "v", "nfs": {"server": "s", "path": "/"}}]}, ""),
        (
            {"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": ZONE}]}}},
            "pod affinity",
        ),
        (
            {"affinity": {"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1}]}}},
            "",
        ),
        (
            {
                "affinity": {
                    "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": ZONE}]}
                }
            },
            "pod anti-affinity",
        ),
        ({"topologySpreadConstraints": [{"whenUnsatisfiable": "DoNotSchedule"}]}, "topology spread"),
        ({"topologySpreadConstraints": [{"whenUnsatisfiable": "ScheduleAnyway"}]}, ""),
        ({"containers": [container("1", ports=[{"hostPort": 80}])]}, "host ports"),
        ({"initContainers": [container("1", ports=[{"hostPort": 80}])]}, "host ports"),
        ({"containers": [container("1", ports=[{"containerPort": 80}])]}, ""),
        ({"resourceClaims": [{"name": "gpu"}]}, "resource claims"),
        ({"schedulingGates": [{"name": names.WARM_NODE_GATE}]}, ""),
        ({"schedulingGates": [{"name": names.WARM_NODE_GATE}, {"name": "example.com/g"}]}, "another's gate"),
    ],
)
def test_what_only_the_scheduler_can_judge_is_named(spec: dict[str, Any], what: str) -> None:
    assert unjudged(asking(**spec)) == what


def test_several_things_that_cannot_be_judged_are_all_named() -> None:
    both = asking(
        volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}], resourceClaims=[{"name": "gpu"}]
    )
    assert unjudged(both) == "volumes, resource claims"


def apart(*terms: dict[str, Any]) -> dict[str, Any]:
    return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": list(terms)}}


def test_pods_of_one_template_share_what_they_repel_and_a_pod_without_terms_repels_nothing() -> None:
    term = {"topologyKey": ZONE, "labelSelector": {"matchLabels": {"app": "agent"}}}
    one, other = (repulsions_of(pod(name, spec={"affinity": apart(term)})) for name in ("p1", "p2"))
    assert one is other
    assert (one[0].topology_key, one[0].namespaces) == (ZONE, AGENTS)
    assert one[0].expressions == (Expression("app", "In", ("agent",)),)
    assert repulsions_of(pod()) == repulsions_of(asking(affinity=required())) == ()


def test_a_term_without_a_label_selector_repels_nobody() -> None:
    assert repulsions_of(asking(affinity=apart({"topologyKey": ZONE}))) == ()


def test_a_term_whose_namespaces_a_selector_picks_is_taken_to_mean_all_of_them() -> None:
    term = {"topologyKey": ZONE, "labelSelector": {}, "namespaceSelector": {"matchLabels": {"team": "a"}}}
    assert repulsions_of(asking(affinity=apart(term)))[0].namespaces is None


def test_a_pods_identity_is_its_namespace_its_labels_and_its_controller() -> None:
    owners = [
        {"kind": "Node", "name": "n1", "controller": False},
        {"kind": "ReplicaSet", "name": "agents", "controller": True},
    ]
    metadata = {"name": "p1", "namespace": "tenant-a", "labels": {"app": "agent"}, "ownerReferences": owners}
    identity = identity_of(decoded(wire.Pod, {"metadata": metadata}))
    assert (identity.namespace, identity.labels, identity.owner) == (
        "tenant-a",
        {"app": "agent"},
        "ReplicaSet/agents",
    )


def test_soft_spreading_of_its_own_replaces_the_schedulers_default() -> None:
    spread = {
        "topologyKey": HOSTNAME,
        "maxSkew": 2,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {"app": "agent"}},
    }
    selector = PodSelector(AGENTS, (Expression("app", "In", ("agent",)),))
    assert preferences_of(asking(topologySpreadConstraints=[spread])).spreads == (SoftSpread(HOSTNAME, 2, selector),)


def test_preferred_affinity_attracts_and_preferred_anti_affinity_repels() -> None:
    def weighted(weight: int, **term: Any) -> dict[str, Any]:
        item = {"weight": weight, "podAffinityTerm": {"topologyKey": ZONE, "labelSelector": {}, **term}}
        return {"preferredDuringSchedulingIgnoredDuringExecution": [item]}

    wanted = preferences_of(
        asking(
            affinity={
                "podAffinity": weighted(10, namespaces=["tenant-b"]),
                "podAntiAffinity": weighted(20),
            }
        )
    )
    assert [(item.weight, item.selector.namespaces) for item in wanted.pods] == [
        (10, frozenset({"tenant-b"})),
        (-20, AGENTS),
    ]


def test_a_preference_over_namespaces_by_their_labels_is_passed_over() -> None:
    item = {"weight": 10, "podAffinityTerm": {"topologyKey": ZONE, "namespaceSelector": {}, "labelSelector": {}}}
    affinity = {"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [item]}}
    assert preferences_of(asking(affinity=affinity)).pods == ()
