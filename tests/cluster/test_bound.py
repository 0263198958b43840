"""What is kept of a bound pod, and shared among pods that are alike."""

from __future__ import annotations

import tracemalloc

from cluster import wire
from cluster.bound import KINDS_REMEMBERED, BoundPod, bound_pod, outline
from cluster.clock import Clock
from tests.cluster.objects import pod, status_of

CLOCK = Clock()
PODS = 4_000
BYTES_PER_POD = 1_200
"""With 5,000 nodes and 20,000 pods, no two of them alike, a process is to stay below 150 MiB."""

REQUESTS = {"containers": [{"name": "c0", "image": "agent:v1", "resources": {"requests": {"cpu": "250m"}}}]}


def test_pods_that_are_alike_share_what_they_are_made_of() -> None:
    one, other = (
        bound_pod(
            pod(name, on="n1", labels={"app": "agent"}, spec=REQUESTS, containerStatuses=[status_of("c0")]), CLOCK
        )
        for name in ("p1", "p2")
    )
    parts = ("identity", "amounts", "wanted_images", "images_in_use")
    assert all(getattr(one, part) is getattr(other, part) for part in parts)
    assert (one.key, other.key) == ("tenant-a/p1", "tenant-a/p2")


def test_pods_of_other_labels_are_not_taken_for_each_other() -> None:
    one, other = (bound_pod(pod(on="n1", labels={"app": name}), CLOCK) for name in ("agent", "other"))
    assert (one.identity.labels, other.identity.labels) == ({"app": "agent"}, {"app": "other"})


def replica(number: int) -> wire.Pod:
    """A StatefulSet's pod, which no label selects but its own."""
    name = f"worker-{number}-0"
    return pod(
        name,
        on=f"n{number % 100}",
        labels={
            "app.kubernetes.io/instance": f"worker-{number}",
            "apps.kubernetes.io/pod-index": "0",
            "controller-revision-hash": f"worker-{number}-5d59d67564",
            "statefulset.kubernetes.io/pod-name": name,
        },
    )


def test_a_pod_shares_with_its_former_self_whatever_came_between() -> None:
    former = bound_pod(replica(0), CLOCK)
    for number in range(1, KINDS_REMEMBERED + 2):
        bound_pod(replica(number), CLOCK)
    now = bound_pod(replica(0), CLOCK, former)
    parts = ("key", "identity", "amounts", "wanted_images", "images_in_use")
    assert all(getattr(now, part) is getattr(former, part) for part in parts)


def test_a_pod_that_changed_is_not_taken_for_its_former_self() -> None:
    former = bound_pod(pod(on="n1", labels={"app": "agent"}), CLOCK)
    now = bound_pod(pod(on="n1", labels={"app": "other"}, images=("other:v2",)), CLOCK, former)
    assert (now.identity.labels, now.wanted_images) == ({"app": "other"}, ("docker.io/library/other:v2",))


def kept_of(subject: wire.Pod) -> tuple[BoundPod, wire.Pod]:
    return bound_pod(subject, CLOCK), outline(subject)


def test_pods_that_are_not_alike_take_little_each() -> None:
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    kept = [kept_of(replica(number)) for number in range(PODS)]
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (after - before) / len(kept) < BYTES_PER_POD


def test_a_finished_pod_takes_nothing_and_neither_does_one_whose_requests_cannot_be_read() -> None:
    odd = {"containers": [{"name": "c0", "image": "agent:v1", "resources": {"requests": {"cpu": "much"}}}]}
    pods = pod(on="n1", phase="Succeeded", spec=REQUESTS), pod(on="n1", spec=odd)
    assert [bound_pod(item, CLOCK).amounts for item in pods] == [(), ()]


def test_an_outline_of_a_bound_pod_is_its_name_and_version() -> None:
    subject = pod(on="n1", labels={"app": "agent"}, spec=REQUESTS)
    subject.metadata.resource_version = "7"
    kept = outline(subject)
    assert (kept.metadata.key, kept.metadata.resource_version) == ("tenant-a/p1", "7")
    assert (kept.metadata.labels, kept.spec.containers) == ({}, ())


def test_an_unbound_pod_is_kept_whole() -> None:
    subject = pod()
    assert outline(subject) is subject
