"""The wire format: Go's field names outside, ordinary Kubernetes JSON inside, and errors that help."""

from __future__ import annotations

import json

import pytest

from extender.protocol import decode_args, decode_names, encode_filter_result, encode_neutral
from model.errors import InvalidRequest
from tests.extender.world import AGENT_IMAGE, arguments


def test_arguments_are_read_by_gos_names() -> None:
    pod, raw = decode_args(arguments("n1", "n2"))
    assert (pod.metadata.key, pod.spec.containers[0].image, decode_names(raw)) == (
        "tenant-a/agent-1",
        AGENT_IMAGE,
        ["n1", "n2"],
    )


def test_a_pod_with_null_times_is_read() -> None:
    body = b'{"Pod":{"metadata":{"name":"a","creationTimestamp":null},"spec":{},"status":{}},"NodeNames":[]}'
    assert decode_args(body)[0].metadata.name == "a"


@pytest.mark.parametrize(
    "body",
    [
        arguments(NodeNames=None),
        arguments(NodeNames=None, Nodes={"items": [{"metadata": {"name": "n1"}}]}),
        b'{"Pod":{"metadata":{"name":"a"}}}',
    ],
)
def test_arguments_without_node_names_tell_what_to_set(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match="nodeCacheCapable: true") as caught:
        decode_names(decode_args(body)[1])
    assert (caught.value.status, caught.value.reason) == (400, "no_node_names")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"pod", "not_json"),
        (arguments("n1")[:-5], "not_json"),
        (b'{"Pod":{"metadata":{"name":"\xff\xfe"}},"NodeNames":[]}', "not_json"),
        (b"null", "not_extender_args"),
        (b"[]", "not_extender_args"),
        (b"7", "not_extender_args"),
        (b"{}", "not_extender_args"),
        (b'{"NodeNames":["n1"]}', "not_extender_args"),
        (b'{"Pod":null,"NodeNames":["n1"]}', "not_extender_args"),
        (b'{"Pod":{},"NodeNames":["n1"]}', "not_extender_args"),
        (b'{"pod":{"metadata":{"name":"a"}},"nodeNames":["n1"]}', "not_extender_args"),
        (arguments(NodeNames="n1"), "not_extender_args"),
        (arguments(NodeNames=[1]), "not_extender_args"),
        (b'{"Pod":' + b"[" * 100_000 + b"]" * 100_000 + b',"NodeNames":[]}', "not_extender_args"),
        (b'{"Odd":' + b"[" * 100_000 + b"]" * 100_000 + b',"NodeNames":[]}', "not_extender_args"),
    ],
)
def test_what_is_not_arguments_is_refused_with_a_reason(body: bytes, reason: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode_names(decode_args(body)[1])
    assert (caught.value.status, caught.value.reason) == (400, reason)


def test_a_filter_result_has_gos_names_and_never_a_null_list() -> None:
    assert json.loads(encode_filter_result(b"[]", b'{"n1":"because"}')) == {
        "NodeNames": [],
        "FailedAndUnresolvableNodes": {"n1": "because"},
        "FailedNodes": {},
        "Nodes": None,
        "Error": "",
    }


def test_names_of_which_none_is_refused_go_back_as_they_came() -> None:
    assert encode_filter_result(b'["n1", "n2"]') == (
        b'{"NodeNames":["n1", "n2"],"FailedAndUnresolvableNodes":{},"FailedNodes":{},"Nodes":null,"Error":""}'
    )


def test_a_neutral_answer_is_a_bare_list_of_hosts_and_whole_scores() -> None:
    assert encode_neutral(["n1", "n2"]) == b'[{"Host":"n1","Score":5},{"Host":"n2","Score":5}]'
