"""The wire format of kube-scheduler's extenders (k8s.io/kube-scheduler/extender/v1).

Its types carry no JSON tags, so their fields have Go's names (`NodeNames`), while the pod inside is ordinary Kubernetes
JSON. Stoker is registered with `nodeCacheCapable: true`, which sends nodes by name alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from cluster import wire
from model.errors import InvalidRequest


class ExtenderArgs(msgspec.Struct, rename="pascal"):
    """The arguments of filter and prioritize. `Nodes` is not read: whole nodes come only where we are misconfigured."""

    pod: wire.Pod
    node_names: list[str] | None = None


class ExtenderFilterResult(msgspec.Struct, rename="pascal", frozen=True):
    """`node_names` passed; the others never can, each with a constant reason.

    A null `NodeNames` would filter out every node. What is refused stands under `FailedAndUnresolvableNodes`, because
    `FailedNodes` would make the scheduler try preemption there.
    """

    node_names: list[str]
    failed_and_unresolvable_nodes: Mapping[str, str] = {}
    failed_nodes: Mapping[str, str] = {}
    nodes: None = None
    error: str = ""


class HostPriority(msgspec.Struct, rename="pascal", frozen=True, gc=False):
    host: str
    score: int


_ARGS: Final = msgspec.json.Decoder(ExtenderArgs)
_ENCODER: Final = msgspec.json.Encoder()


def decode_args(body: bytes) -> tuple[wire.Pod, list[str]]:
    """The pod and the names of the nodes in question; raises InvalidRequest."""
    try:
        args = _ARGS.decode(body)
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
    if args.node_names is None:
        raise InvalidRequest(
            "NodeNames is missing; set nodeCacheCapable: true for this extender in KubeSchedulerConfiguration",
            reason="no_node_names",
        )
    return args.pod, args.node_names


def encode_filter_result(passed: list[str], refused: Mapping[str, str]) -> bytes:
    return _ENCODER.encode(ExtenderFilterResult(passed, refused))


def encode_priorities(names: Iterable[str], scores: Iterable[int]) -> bytes:
    """Every node that was asked about, in its order: one that is missing would get 0 and lose every tie."""
    return _ENCODER.encode([HostPriority(name, score) for name, score in zip(names, scores, strict=True)])
