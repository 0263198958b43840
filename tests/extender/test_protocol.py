"""The wire format: Go's field names outside, ordinary Kubernetes JSON inside, and errors that help."""

from __future__ import annotations

import json

import pytest

from extender.protocol import decode_args, encode_filter_result, encode_priorities
from model.errors import InvalidRequest
from tests.extender.world import AGENT_IMAGE, arguments


def test_arguments_are_read_by_gos_names() -> None:
    pod, node_names = decode_args(arguments("n1", "n2"))
    assert (pod.metadata.key, pod.spec.containers[0].image, node_names) == (
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
        decode_args(body)
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
        decode_args(body)
    assert (caught.value.status, caught.value.reason) == (400, reason)


def test_a_filter_result_has_gos_names_and_never_a_null_list() -> None:
    assert json.loads(encode_filter_result([], {"n1": "because"})) == {
        "NodeNames": [],
        "FailedAndUnresolvableNodes": {"n1": "because"},
        "FailedNodes": {},
        "Nodes": None,
        "Error": "",
    }


def test_priorities_are_a_bare_list_of_hosts_and_whole_scores() -> None:
    assert encode_priorities(["n1", "n2"], [7, 10]) == b'[{"Host":"n1","Score":7},{"Host":"n2","Score":10}]'


def test_a_list_of_other_length_than_the_nodes_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="shorter"):
        encode_priorities(["n1", "n2"], [7])
