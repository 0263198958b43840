"""Targets that are asked over HTTP: reviews of pods, and the scheduler's arguments."""

from __future__ import annotations

import base64
import json
from functools import cache, partial
from typing import Any, Final

from extender.asked import AskedLists
from extender.protocol import decode_args, decode_names
from model.errors import InvalidRequest
from model.profiles import TenantProfile
from tests.builders import DIGEST, container, pod, profile, review
from tests.extender.world import World, arguments
from tests.fuzz.edits import RAW, document
from tests.fuzz.target import Target, require, settled
from tests.webhook.patching import apply_patch
from tests.webhook.tenants import Tenants
from webhook.decision import Admission
from webhook.peerpods import VM
from webhook.review import decode_review, encode_answer

PROFILES: Final[tuple[TenantProfile, ...]] = (
    profile(
        "kata-agents",
        runtimeClassName="kata-qemu",
        runtimeClassPolicy="Enforce",
        tolerations=[{"key": "stoker.dev/tenant", "operator": "Exists", "effect": "NoSchedule"}],
        schedulingGates=["stoker.dev/warm-node"],
        schedulerName="stoker-scheduler",
        architecture={"preferred": "amd64", "policy": "Prefer"},
    ),
    profile(
        "peer-agents",
        runtimeClassName="kata-remote",
        peerPods={"enabled": True, "instanceType": "t3.small"},
        architecture={"policy": "Require"},
        mutableTags="IfNotPresent",
    ),
)
REVIEWS: Final = tuple(
    json.dumps(item).encode()
    for item in (
        review(pod("p", container(image="agent:latest", imagePullPolicy="Always"))),
        review(
            pod(
                "peer",
                container(resources={"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": 1, "memory": 1.5}}),
                metadata={"annotations": {"a": "b", "stoker.dev/peer-pod": '{"containers":{"agent":{}}}'}},
                initContainers=[container("init", restartPolicy="Always", resources={"limits": {VM: "1"}})],
                overhead={"cpu": "250m"},
                resources={"limits": {"nvidia.com/gpu": "1"}},
            ),
            namespace="peers",
        ),
        review(
            pod(
                "placed",
                container(image=f"a@{DIGEST}", volumeMounts=[{"name": "v", "subPath": "x"}]),
                metadata={"generateName": "p-", "ownerReferences": [{"kind": "Job", "controller": True}]},
                affinity={
                    "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}
                },
                tolerations=[{"key": "a", "operator": "Exists", "tolerationSeconds": 5}],
                nodeSelector={"kubernetes.io/arch": "arm64"},
                volumes=[
                    {"name": "v", "hostPath": {"path": "/dev"}, "image": {"reference": "m", "pullPolicy": "Never"}}
                ],
            )
        ),
        review(pod("ghost"), namespace="ghosts"),
        review({"kind": "Binding"}, operation="UPDATE", subResource="binding"),
    )
)
ARGUMENTS: Final = (
    arguments("warm", "cold", "gone", "unheard-of"),
    arguments("warm", profile=None),
    arguments(*(f"n{number}" for number in range(12)), "warm"),
)


@cache
def admission() -> Admission:
    namespaces = {"tenant-a": "kata-agents", "peers": "peer-agents", "ghosts": "ghost", "free": None}
    return Admission(Tenants(namespaces, *PROFILES))


def check_review(body: bytes) -> None:
    try:
        request = decode_review(body)
    except InvalidRequest as error:
        require(error.status == 400, "what is no review is answered 400")
        require(str(error).isprintable(), "a refusal is one line")
        return
    verdict = settled(admission().judge(request))
    answer = json.loads(encode_answer(request.uid, verdict))["response"]
    require(answer["uid"] == request.uid, "the answer has the request's uid")
    require(answer["allowed"] is (verdict.refusal is None), "who is refused is not allowed")
    require("patch" not in answer or answer["allowed"], "what is refused is not patched")
    require(all(len(warning) <= 120 for warning in answer.get("warnings", ())), "warnings are short")
    if "patch" in answer:
        _check_patch(body, json.loads(base64.b64decode(answer["patch"])))


def _check_patch(body: bytes, patch: list[dict[str, Any]]) -> None:
    """It fits the pod that came, and leaves nothing to do. What is skipped in a review need not even be UTF-8."""
    try:
        asked: dict[str, Any] = json.loads(body.decode("utf-8", "surrogateescape"))
        asked["request"]["object"] = apply_patch(asked["request"]["object"], patch)
        patched = json.dumps(asked, ensure_ascii=False).encode("utf-8", "surrogateescape")
    except RecursionError:
        return  # Python's own JSON gives up sooner than what Stoker reads with
    again = settled(admission().judge(decode_review(patched)))
    require(not again.operations, f"a second look finds nothing to do, not {again.operations}")


@cache
def world() -> World:
    made = World()
    made.add("warm")
    made.add("cold", images=[])
    made.add("gone", handlers=["runc"], ready="Unknown")
    made.add("bare", handlers=None, ready=None)
    return made


def check_arguments(body: bytes) -> None:
    fleet = world()
    fleet.wall += 0.01
    try:
        pod_asked, raw = decode_args(body)
        asked = AskedLists(decode_names).get(raw)
    except InvalidRequest as error:
        require(error.status == 400, "what are no arguments is answered 400")
        require(str(error).isprintable(), "a refusal is one line")
        return
    scores = json.loads(fleet.scheduling.prioritize(pod_asked, asked))
    require([item["Host"] for item in scores] == list(asked.names), "every node asked about is answered, in its order")
    require(all(type(item["Score"]) is int and 0 <= item["Score"] <= 10 for item in scores), "scores are 0 to 10")
    result = json.loads(fleet.scheduling.filter(pod_asked, asked))
    refused = result["FailedAndUnresolvableNodes"]
    require(not result["Error"] and not result["FailedNodes"], "nothing makes the scheduler fail the pod")
    require(set(result["NodeNames"]) | set(refused) == set(asked.names), "a node passes or is refused")
    require(not set(result["NodeNames"]) & set(refused), "a node does not pass and is refused")


REVIEW: Final = Target(
    "review",
    "a review is answered under its uid by a patch that fits and leaves nothing to do, or refused with 400",
    check_review,
    partial(document, originals=REVIEWS),
    (*(bytes([RAW]) + body for body in REVIEWS), *(bytes([1, index]) for index in range(len(REVIEWS)))),
)

EXTENDER: Final = Target(
    "extender",
    "arguments get a score of 0 to 10 for every node and a filter result, or are refused with 400",
    check_arguments,
    partial(document, originals=ARGUMENTS),
    (*(bytes([RAW]) + body for body in ARGUMENTS), *(bytes([1, index]) for index in range(len(ARGUMENTS)))),
)
