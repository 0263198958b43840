"""What the benches send: as large as they say, and such that Stoker has something to do."""

from __future__ import annotations

import msgspec

from benchmarks.documents import NAMESPACES, PODS_PER_SET, question, review, running_pod
from benchmarks.load import NUMBER
from extender.protocol import decode_args, decode_names
from model import names
from webhook.review import decode_review


def test_a_reviewed_pod_has_about_twenty_kilobytes() -> None:
    document = msgspec.json.decode(review())
    assert 20_000 <= len(msgspec.json.encode(document["request"]["object"])) < 20_500


def test_a_reviewed_pod_is_a_new_one_that_knows_nothing_of_its_profile() -> None:
    request = decode_review(review())
    assert request.is_creation
    assert request.object is not None
    assert request.object.spec.runtime_class_name is None
    assert names.PROFILE_ANNOTATION not in (request.object.metadata.annotations or {})


def test_a_question_is_about_a_tenants_pod_of_its_own_number_and_all_nodes() -> None:
    pod, asked = decode_args(question(("a:1", "b:2"), ["n1", "n2"]).replace(NUMBER.encode(), b"7"))
    assert decode_names(asked) == ["n1", "n2"]
    assert pod.metadata.uid == "7"
    assert pod.metadata.annotations[names.PROFILE_ANNOTATION] == "kata-agents"


def test_no_two_running_pods_have_the_same_labels_and_those_of_a_set_have_one_owner() -> None:
    pods = [running_pod(number, ("a:1",), "n1")["metadata"] for number in range(3 * PODS_PER_SET)]
    assert len({tuple(pod["labels"].items()) for pod in pods}) == len(pods)
    assert len({pod["name"] for pod in pods}) == len(pods)
    assert len({pod["ownerReferences"][0]["uid"] for pod in pods}) == 3


def test_running_pods_are_in_all_of_the_namespaces() -> None:
    pods = (running_pod(number, ("a:1",), "n1") for number in range(NAMESPACES * PODS_PER_SET))
    assert len({pod["metadata"]["namespace"] for pod in pods}) == NAMESPACES
