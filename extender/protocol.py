"""The wire format of kube-scheduler's extenders (k8s.io/kube-scheduler/extender/v1).

Its types carry no JSON tags, so their fields have Go's names (`NodeNames`), while the pod inside is ordinary Kubernetes
JSON. Stoker is registered with `nodeCacheCapable: true`, which sends nodes by name alone.
"""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from cluster import wire
from model.errors import InvalidRequest
from model.score import NEUTRAL_SCORE


class ExtenderArgs(msgspec.Struct, rename="pascal"):
    """The arguments of filter and prioritize. `Nodes` is not read: whole nodes come only where we are misconfigured."""

    pod: wire.Pod
    node_names: msgspec.Raw = msgspec.Raw(b"null")
    """Names by the thousand: they are read only where they are not those of a moment ago."""


class HostPriority(msgspec.Struct, rename="pascal", frozen=True, gc=False):
    host: str
    score: int


_ARGS: Final = msgspec.json.Decoder(ExtenderArgs)
_NAMES: Final = msgspec.json.Decoder(list[str] | None)
_ENCODER: Final = msgspec.json.Encoder()

T = TypeVar("T")


def decode_args(body: bytes) -> tuple[wire.Pod, bytes]:
    """The pod, and the JSON of the names of the nodes in question; raises InvalidRequest."""
    args = _decoded(_ARGS, body)
    return args.pod, bytes(args.node_names)


def decode_names(raw: bytes) -> list[str]:
    """The names of the nodes in question; raises InvalidRequest."""
    names: list[str] | None = _decoded(_NAMES, raw)
    if names is None:
        raise InvalidRequest(
            "NodeNames is missing; set nodeCacheCapable: true for this extender in KubeSchedulerConfiguration",
            reason="no_node_names",
        )
    return names


def _decoded(decoder: msgspec.json.Decoder[T], text: bytes) -> T:
    try:
        return decoder.decode(text)
    except msgspec.ValidationError as error:
        raise InvalidRequest(
            f"not ExtenderArgs with a Pod and NodeNames: {error}", reason="not_extender_args"
        ) from error
    except msgspec.MsgspecError as error:
        raise InvalidRequest(f"the body is not JSON: {error}", reason="not_json") from error
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"the body is not UTF-8: {error}", reason="not_json") from error
    except RecursionError as error:
        raise InvalidRequest("the body is nested too deeply", reason="not_extender_args") from error


def encode_filter_result(passed: bytes, refused: bytes = b"{}") -> bytes:
    """An ExtenderFilterResult of a JSON array and a JSON object: the names that passed, and the refused, each with why
    the pod can never run there.

    A null `NodeNames` would filter out every node. What is refused stands under `FailedAndUnresolvableNodes`, because
    `FailedNodes` would make the scheduler try preemption there.
    """
    result = b'{"NodeNames":%b,"FailedAndUnresolvableNodes":%b,"FailedNodes":{},"Nodes":null,"Error":""}'
    return result % (passed, refused)


def encode_neutral(names: list[str]) -> bytes:
    """The same score for all: nothing is known, so the scheduler's own plugins decide."""
    return _ENCODER.encode([HostPriority(name, NEUTRAL_SCORE) for name in names])
