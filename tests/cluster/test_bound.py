"""What is kept of a bound pod, and shared among pods that are alike."""

from __future__ import annotations

from cluster.bound import bound_pod, outline
from cluster.clock import Clock
from tests.cluster.objects import pod, status_of

CLOCK = Clock()
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


def test_a_finished_pod_takes_nothing_and_neither_does_one_whose_requests_cannot_be_read() -> None:
    odd = {"containers": [{"name": "c0", "image": "agent:v1", "resources": {"requests": {"cpu": "much"}}}]}
    pods = pod(on="n1", phase="Succeeded", spec=REQUESTS), pod(on="n1", spec=odd)
    assert [bound_pod(item, CLOCK).amounts for item in pods] == [(), ()]


def test_an_outline_of_a_bound_pod_is_its_name_and_version() -> None:
    subject = pod(on="n1", labels={"app": "agent"}, spec=REQUESTS)
    subject.metadata.resource_version = "7"
    kept = outline(subject)
    assert (kept.metadata.key, kept.metadata.uid, kept.metadata.resource_version) == ("tenant-a/p1", "uid-p1", "7")
    assert (kept.metadata.labels, kept.spec.containers) == ({}, ())


def test_an_unbound_pod_is_kept_whole() -> None:
    subject = pod()
    assert outline(subject) is subject
