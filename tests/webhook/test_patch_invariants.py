"""What holds for every pod and profile: a patch is idempotent, and complete after others have changed the pod."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from model.profiles import TenantProfile
from tests.builders import DIGEST, container, pod, profile
from tests.webhook.patching import mutated, operations_for, read_pod
from webhook.advice import advise
from webhook.pods import Toleration
from webhook.tolerations import covers

ARCH = "kubernetes.io/arch"
KEYS = st.sampled_from(["a", "b/c", "stoker.dev/tenant"])
IMAGES = st.sampled_from(
    ["app", "app:latest", "app:v1.0", f"app@{DIGEST}", "r.example:5000/x/y:stable", "BAD image", ""]
)
POLICIES = st.sampled_from(["Always", "IfNotPresent", "Never", None])
EXPRESSIONS = st.fixed_dictionaries(
    {
        "key": st.sampled_from([ARCH, "zone"]),
        "operator": st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist"]),
        "values": st.lists(st.sampled_from(["amd64", "arm64"]), max_size=2),
    }
)
TERMS = st.fixed_dictionaries({}, optional={"matchExpressions": st.lists(EXPRESSIONS, max_size=2)})


@st.composite
def tolerations(draw: st.DrawFn) -> dict[str, Any]:
    effect = draw(st.sampled_from(["", "NoSchedule", "NoExecute"]))
    drawn: dict[str, Any] = {
        "key": draw(KEYS),
        "effect": effect,
        "operator": draw(st.sampled_from(["Exists", "Equal"])),
    }
    if drawn["operator"] == "Equal":
        drawn["value"] = draw(st.sampled_from(["", "v"]))
    if effect == "NoExecute" and draw(st.booleans()):
        drawn["tolerationSeconds"] = draw(st.sampled_from([0, 60, 300]))
    return drawn


def members(strategies: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Each member present or absent."""
    return st.fixed_dictionaries({}, optional=strategies)


CONTAINERS = st.builds(lambda image, policy: container(image=image, imagePullPolicy=policy), IMAGES, POLICIES)
IMAGE_VOLUMES = st.builds(
    lambda reference, policy: {"name": "v", "image": {"reference": reference, "pullPolicy": policy}},
    IMAGES,
    POLICIES,
)
NODE_AFFINITY = members(
    {
        "requiredDuringSchedulingIgnoredDuringExecution": st.builds(
            lambda terms: {"nodeSelectorTerms": terms}, st.lists(TERMS, max_size=2)
        ),
        "preferredDuringSchedulingIgnoredDuringExecution": st.lists(
            st.builds(lambda term: {"weight": 1, "preference": term}, TERMS), max_size=2
        ),
    }
)
SPECS = members(
    {
        "containers": st.lists(CONTAINERS, max_size=3),
        "initContainers": st.lists(CONTAINERS, max_size=2),
        "volumes": st.lists(IMAGE_VOLUMES, max_size=2),
        "runtimeClassName": st.sampled_from(["", "kata-qemu", "gvisor"]),
        "tolerations": st.lists(tolerations(), max_size=4),
        "schedulingGates": st.lists(st.builds(lambda name: {"name": name}, KEYS), max_size=2),
        "schedulerName": st.sampled_from(["", "default-scheduler", "volcano"]),
        "nodeSelector": st.dictionaries(st.sampled_from([ARCH, "zone"]), st.sampled_from(["amd64", "arm64"])),
        "affinity": members({"nodeAffinity": NODE_AFFINITY, "podAffinity": st.just({})}),
        "nodeName": st.just("n1"),
        "hostNetwork": st.booleans(),
    }
)
METADATA = members(
    {
        "annotations": st.dictionaries(
            st.sampled_from(["stoker.dev/profile", "kubernetes.io/config.mirror", "a~b/c"]), st.just("x")
        ),
        "ownerReferences": st.just([{"kind": "DaemonSet", "controller": True}]),
    }
)
PODS = st.builds(lambda spec, metadata: pod(metadata=metadata, **spec), SPECS, METADATA)
PROFILES: st.SearchStrategy[TenantProfile] = st.builds(
    lambda spec: profile(**spec),
    members(
        {
            "runtimeClassName": st.just("kata-qemu"),
            "imagePullPolicy": st.sampled_from(["IfNotPresent", "Keep"]),
            "mutableTags": st.sampled_from(["IfNotPresent", "Keep"]),
            "tolerations": st.lists(tolerations(), max_size=4),
            "schedulingGates": st.lists(KEYS, max_size=3),
            "schedulerName": st.sampled_from(["default-scheduler", "stoker-scheduler"]),
            "architecture": st.builds(
                lambda policy: {"preferred": "amd64", "policy": policy},
                st.sampled_from(["Prefer", "Require", "Ignore"]),
            ),
        }
    ),
)


@given(PODS, PROFILES)
def test_a_patched_pod_needs_no_patch(manifest: dict[str, Any], tenant: TenantProfile) -> None:
    assert operations_for(mutated(manifest, tenant), tenant) == []


@given(PODS, PROFILES, CONTAINERS)
def test_a_sidecar_added_afterwards_is_all_that_is_left_to_do(
    manifest: dict[str, Any], tenant: TenantProfile, sidecar: dict[str, Any]
) -> None:
    patched = mutated(manifest, tenant)
    patched["spec"]["containers"].append(sidecar)
    again = operations_for(patched, tenant)
    last = len(patched["spec"]["containers"]) - 1
    assert {operation.path for operation in again} <= {f"/spec/containers/{last}/imagePullPolicy"}

    together = pod(metadata=manifest["metadata"], **manifest["spec"])
    together["spec"]["containers"] = [*manifest["spec"]["containers"], sidecar]
    assert mutated(patched, tenant) == mutated(together, tenant)


@given(PODS, PROFILES)
def test_what_the_author_wrote_stays_in_front_and_in_order(manifest: dict[str, Any], tenant: TenantProfile) -> None:
    patched = mutated(manifest, tenant)["spec"]
    for member in ("tolerations", "schedulingGates"):
        own = manifest["spec"].get(member, [])
        assert patched.get(member, [])[: len(own)] == own


@given(PODS, PROFILES)
def test_every_toleration_of_the_profile_holds_afterwards(manifest: dict[str, Any], tenant: TenantProfile) -> None:
    before = read_pod(manifest)
    if before.is_mirror or before.is_of_daemon_set:
        return
    held = read_pod(mutated(manifest, tenant)).spec.tolerations or ()
    for wanted in tenant.spec.tolerations:
        toleration = Toleration(wanted.key, wanted.operator, wanted.value, wanted.effect, wanted.toleration_seconds)
        assert any(covers(other, toleration) for other in held)


@given(PODS, PROFILES)
def test_advice_is_the_same_before_and_after_the_patch(manifest: dict[str, Any], tenant: TenantProfile) -> None:
    assert advise(read_pod(mutated(manifest, tenant)), tenant) == advise(read_pod(manifest), tenant)
