"""What the benches send: as large as they say, and such that Stoker has something to do."""

from __future__ import annotations

import msgspec

from benchmarks.documents import question, review
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
