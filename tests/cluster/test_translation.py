"""From the API's objects to the model's values, absurd reports included."""

from __future__ import annotations

from typing import Any

import pytest

from cluster import wire
from cluster.clock import Clock
from cluster.images import LARGEST_IMAGE_BYTES
from cluster.translation import (
    flaw_of,
    images_in_use,
    installer,
    is_finished,
    is_installer,
    is_starting,
    names_of,
    node_facts,
    pod_needs,
)
from model.names import KATA_LABEL, RUNTIME_RESTARTED_ANNOTATION
from tests.cluster.objects import CREATED, decoded, image, node, pod, status_of

CLOCK = Clock()
CREATED_INSTANT = CLOCK.instant(CREATED)
DIGEST = "sha256:" + "0123456789abcdef" * 4


def named(count: int, size_bytes: int = 1_000) -> list[dict[str, Any]]:
    return [image(f"image:v{number}", size_bytes) for number in range(count)]


def test_a_node_without_status_is_known_by_its_name_and_unknown_otherwise() -> None:
    facts = node_facts(decoded(wire.Node, {"metadata": {"name": "n1", "creationTimestamp": None}}), CLOCK)
    unknown = (facts.ready, facts.handlers, facts.architecture, facts.images_reported, facts.smallest_reported_bytes)
    assert (facts.name, unknown) == ("n1", (None, None, "", False, None))


@pytest.mark.parametrize(("status", "ready"), [("True", True), ("False", False), ("Unknown", False), (None, None)])
def test_a_node_that_is_not_heard_of_any_more_is_not_ready(status: str | None, ready: bool | None) -> None:
    assert node_facts(node(ready=status), CLOCK).ready is ready


def test_the_architecture_is_the_kubelets_else_the_labels() -> None:
    labelled = node(nodeInfo={}, metadata={"labels": {"kubernetes.io/arch": "arm64"}})
    assert (node_facts(node(), CLOCK).architecture, node_facts(labelled, CLOCK).architecture) == ("amd64", "arm64")


@pytest.mark.parametrize(
    ("handlers", "known"),
    [(["", "runc", "kata-qemu"], frozenset({"", "runc", "kata-qemu"})), ([], None), (None, None)],
)
def test_no_reported_handlers_means_that_they_are_unknown(
    handlers: list[str] | None, known: frozenset[str] | None
) -> None:
    assert node_facts(node(handlers=handlers), CLOCK).handlers == known


def test_times_are_the_end_of_the_second_they_are_cut_to() -> None:
    annotated = node(metadata={"annotations": {RUNTIME_RESTARTED_ANNOTATION: "2026-03-03T10:00:05Z"}})
    facts = node_facts(annotated, CLOCK)
    assert (facts.created, facts.containerd_restarted) == (CREATED_INSTANT, (CREATED_INSTANT or 0) + 5)


def test_an_annotation_that_is_no_time_tells_of_no_restart() -> None:
    annotated = node(metadata={"annotations": {RUNTIME_RESTARTED_ANNOTATION: "yesterday"}})
    assert node_facts(annotated, CLOCK).containerd_restarted is None


def test_the_labels_time_is_that_of_the_field_manager_who_owns_it() -> None:
    owns: dict[str, Any] = {"f:metadata": {"f:labels": {f"f:{KATA_LABEL}": {}}}}
    other = {"f:metadata": {"f:labels": {"f:other": {}}}, "f:status": {"f:images": {}}}
    fields = [{"time": CREATED, "fieldsV1": owns}, {"time": "2026-03-03T11:00:00Z", "fieldsV1": other}, {}]
    facts = node_facts(node(metadata={"labels": {KATA_LABEL: "true"}, "managedFields": fields}), CLOCK)
    assert (facts.kata_label, facts.kata_labelled) == ("true", CREATED_INSTANT)


def test_an_image_is_known_under_each_of_its_names_in_one_spelling() -> None:
    names = [f"nginx@{DIGEST}", "docker.io/library/nginx:latest", "<none>:<none>", "<none>@<none>"]
    reported = node(images=[{"names": names, "sizeBytes": 5}, {"names": None, "sizeBytes": 9}]).status.images
    assert names_of(reported) == {f"docker.io/library/nginx@{DIGEST}", "docker.io/library/nginx:latest"}


@pytest.mark.parametrize(
    ("images", "smallest"),
    [
        (named(49), None),
        (named(50), 1_000),
        (named(51), 1_000),
        ([*named(49, 2_000), image("small:v1", 700)], 700),
        ([*named(49, 2_000), image("bad:v1", -1)], 2_000),
        ([*named(49, 2_000), image("bad:v1", 0)], 2_000),
        ([*named(49, 2_000), image("bad:v1", 10**30)], 2_000),
        (named(50, -5), LARGEST_IMAGE_BYTES),
    ],
)
def test_a_report_of_50_images_may_be_cut_off_at_the_smallest_believable(
    images: list[dict[str, Any]], smallest: int | None
) -> None:
    assert node_facts(node(images=images), CLOCK).smallest_reported_bytes == smallest


@pytest.mark.parametrize(
    ("size", "kept", "absurd"),
    [(1, True, False), (10**15, True, False), (0, False, False), (-1, False, True), (10**15 + 1, False, True)],
)
def test_a_size_that_cannot_be_is_no_size(size: int, kept: bool, absurd: bool) -> None:
    subject = node(images=[image("agent:v1", size)])
    assert (bool(subject.status.images[0].believed_bytes), "impossible sizes" in flaw_of(subject)) == (kept, absurd)


def test_an_image_of_absurd_size_is_present_all_the_same() -> None:
    assert names_of(node(images=[image("agent:v1", -7)]).status.images) == {"docker.io/library/agent:v1"}


def test_a_pod_needs_its_volumes_images_first_then_those_of_init_containers_each_once() -> None:
    spec = {
        "runtimeClassName": "kata-qemu",
        "initContainers": [{"name": "i", "image": "init:v1"}, {"name": "j", "image": "docker.io/library/agent:v1"}],
        "volumes": [{"name": "v", "image": {"reference": "models:v9"}}, {"name": "e", "emptyDir": {}}],
    }
    needs = pod_needs(pod(images=("agent:v1", "", "agent:v1"), spec=spec), lambda name: f"handler of {name}")
    library = "docker.io/library"
    assert needs.images == (f"{library}/models:v9", f"{library}/init:v1", f"{library}/agent:v1")
    assert (needs.handler, needs.has_init_containers) == ("handler of kata-qemu", True)


@pytest.mark.parametrize(
    ("status", "used"),
    [
        ({}, set()),
        ({"containerStatuses": [status_of("c0", "waiting")]}, set()),
        ({"containerStatuses": [status_of("c0", "running")]}, {"docker.io/library/agent:v1"}),
        ({"containerStatuses": [status_of("c0", "terminated")]}, {"docker.io/library/agent:v1"}),
        ({"containerStatuses": [status_of("another", "running")]}, set()),
        (
            {"containerStatuses": [status_of("c0", image_id=f"docker-pullable://agent@{DIGEST}")]},
            {"docker.io/library/agent:v1", f"docker.io/library/agent@{DIGEST}"},
        ),
        ({"containerStatuses": [status_of("c0", image_id=DIGEST)]}, {"docker.io/library/agent:v1"}),
    ],
)
def test_containers_that_run_or_ran_tell_of_their_images(status: dict[str, Any], used: set[str]) -> None:
    assert set(images_in_use(pod(**status))) == used


READY = [{"type": "Ready", "status": "True"}]


@pytest.mark.parametrize(
    ("subject", "starting"),
    [
        (pod(), False),
        (pod(on="n1"), True),
        (pod(on="n1", containerStatuses=[status_of("c0")]), True),
        (pod(on="n1", conditions=READY), False),
        (pod(on="n1", phase="Succeeded"), False),
        (pod(on="n1", phase="Failed"), False),
        (pod(on="n1", containerStatuses=[status_of("c0", restarts=1)]), False),
        (pod(on="n1", containerStatuses=[{"name": "c0", "state": {"waiting": {"reason": "ContainerCreating"}}}]), True),
        (pod(on="n1", containerStatuses=[{"name": "c0", "state": {"waiting": {"reason": "ImagePullBackOff"}}}]), False),
        (
            pod(on="n1", initContainerStatuses=[{"name": "i", "state": {"waiting": {"reason": "ImagePullBackOff"}}}]),
            False,
        ),
    ],
)
def test_a_pod_is_starting_from_its_binding_to_its_first_readiness(subject: wire.Pod, starting: bool) -> None:
    assert is_starting(subject) is starting


def test_a_pod_that_is_being_deleted_is_not_starting() -> None:
    going = pod(on="n1")
    going.metadata.deletion_timestamp = CREATED
    assert not is_starting(going)


@pytest.mark.parametrize(
    ("phase", "finished"), [("Succeeded", True), ("Failed", True), ("Running", False), ("", False)]
)
def test_finished_are_those_that_succeeded_or_failed(phase: str, finished: bool) -> None:
    assert is_finished(pod(phase=phase)) is finished


def test_kata_deploy_is_known_by_its_label_or_its_daemon_set() -> None:
    owned = pod()
    owned.metadata.owner_references = (wire.OwnerReference(kind="DaemonSet", name="kata-deploy"),)
    assert [is_installer(item) for item in (pod(labels={"name": "kata-deploy"}), owned, pod())] == [True, True, False]


def test_the_installer_tells_when_its_container_last_started_and_how_often_it_failed() -> None:
    running = status_of("c0", restarts=2)
    running["state"]["running"]["startedAt"] = "2026-03-03T10:00:30Z"
    facts = installer(pod(on="n1", containerStatuses=[running], conditions=READY), CLOCK)
    base = CREATED_INSTANT or 0.0
    assert (facts.created, facts.started, facts.ready, facts.restarts) == (base, base + 30, True, 2)


def test_an_installer_whose_container_waits_has_not_started() -> None:
    facts = installer(pod(on="n1", containerStatuses=[status_of("c0", "waiting")]), CLOCK)
    assert (facts.started, facts.ready) == (None, False)
