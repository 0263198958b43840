"""What the service accounts may do, asked of the API server's own authorizer: enough, and no more."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from cluster.access import load_access
from cluster.client import ApiClient
from lab.controlplane import ControlPlane
from manifests.loader import load
from model import names

pytestmark = pytest.mark.controlplane

SERVER = "stoker"
SCHEDULER = names.SCHEDULER
RELEASE = "stoker-release"
SYSTEM = names.NAMESPACE
EVERYWHERE = ""
PROFILES = "tenantprofiles.stoker.dev"
WEBHOOKS = "mutatingwebhookconfigurations.admissionregistration.k8s.io"
LEASES = "leases.coordination.k8s.io"
WRITING = ("create", "update", "patch", "delete")
SNAPSHOT = ("nodes", "pods", "namespaces", "events", PROFILES, "runtimeclasses.node.k8s.io")


@pytest_asyncio.fixture(loop_scope="session")
async def administrator(installed: ControlPlane) -> AsyncIterator[ApiClient]:
    async with ApiClient(await load_access(installed.admin_kubeconfig)) as client:
        yield client


async def may(administrator: ApiClient, account: str, verb: str, what: str, namespace: str) -> bool:
    """`what` is resource[.group][/name], or resource/*/subresource for any name."""
    resource, name, subresource = [*what.split("/"), "", ""][:3]
    resource, _, group = resource.partition(".")
    answer = await administrator.create(
        "/apis/authorization.k8s.io/v1/subjectaccessreviews",
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": f"system:serviceaccount:{SYSTEM}:{account}",
                "groups": ["system:serviceaccounts", f"system:serviceaccounts:{SYSTEM}", "system:authenticated"],
                "resourceAttributes": {
                    "verb": verb,
                    "group": group,
                    "resource": resource,
                    "subresource": subresource,
                    "name": name.removeprefix("*"),
                    "namespace": namespace,
                },
            },
        },
    )
    allowed: bool = answer["status"]["allowed"]
    return allowed


ALLOWED = [
    *(
        (account, verb, resource, EVERYWHERE)
        for account in (SERVER, SCHEDULER)
        for verb in ("list", "watch")
        for resource in SNAPSHOT
    ),
    *((account, "create", "events", EVERYWHERE) for account in (SERVER, SCHEDULER)),
    *((SERVER, verb, f"{WEBHOOKS}/{names.WEBHOOK_CONFIGURATION}", EVERYWHERE) for verb in ("get", "patch")),
    *((SERVER, verb, f"secrets/{names.CA_SECRET}", SYSTEM) for verb in ("get", "patch")),
    *((SERVER, verb, f"configmaps/{names.REPLICAS_CONFIG_MAP}", SYSTEM) for verb in ("get", "patch")),
    *((SERVER, "create", what, SYSTEM) for what in ("secrets", "configmaps")),
    (SCHEDULER, "create", "pods/*/binding", EVERYWHERE),
    (SCHEDULER, "create", LEASES, SYSTEM),
    *((SCHEDULER, verb, f"{LEASES}/{names.SCHEDULER}", SYSTEM) for verb in ("get", "update")),
    # Placement: the nomination, the gate, the Lease of who leads; and the Leases that admission looks at.
    *((SERVER, "update", what, EVERYWHERE) for what in ("pods", "pods/*/status")),
    *((SERVER, verb, f"{LEASES}/{names.CONTROLLERS_LEASE}", SYSTEM) for verb in ("get", "update")),
    *((SERVER, verb, LEASES, SYSTEM) for verb in ("create", "list", "watch")),
    # Opening gates in place of a controller.
    *((RELEASE, verb, "pods", EVERYWHERE) for verb in ("list", "update")),
    (RELEASE, "update", "pods/*/status", EVERYWHERE),
    (RELEASE, "list", PROFILES, EVERYWHERE),
    # What the admission policies ask for.
    *((account, "ungate", PROFILES, EVERYWHERE) for account in (SERVER, RELEASE)),
    (SCHEDULER, "place", PROFILES, EVERYWHERE),
]

FORBIDDEN = [
    *((SERVER, verb, PROFILES, EVERYWHERE) for verb in ("assign", "exempt", "markwarm", "place")),
    *((RELEASE, verb, PROFILES, EVERYWHERE) for verb in ("assign", "exempt", "markwarm", "place")),
    *((SCHEDULER, verb, PROFILES, EVERYWHERE) for verb in ("assign", "exempt", "markwarm", "ungate")),
    *((SERVER, verb, resource, EVERYWHERE) for verb in WRITING for resource in ("nodes", "namespaces", PROFILES)),
    *((SERVER, verb, "pods", EVERYWHERE) for verb in ("create", "patch", "delete")),
    *((SERVER, verb, f"{LEASES}/{names.SCHEDULER}", SYSTEM) for verb in ("update", "patch", "delete")),
    *((SERVER, verb, f"{LEASES}/{names.CONTROLLERS_LEASE}", SYSTEM) for verb in ("patch", "delete")),
    *((SERVER, verb, LEASES, "kube-node-lease") for verb in ("list", *WRITING)),
    *((RELEASE, verb, "pods", EVERYWHERE) for verb in ("watch", "create", "patch", "delete")),
    *((RELEASE, verb, "pods/*/status", EVERYWHERE) for verb in ("patch", "get")),
    *((RELEASE, verb, what, EVERYWHERE) for verb in WRITING for what in ("nodes", "namespaces", PROFILES, "events")),
    *((RELEASE, verb, what, SYSTEM) for verb in ("get", "list", *WRITING) for what in ("secrets", LEASES)),
    (RELEASE, "create", "pods/*/binding", EVERYWHERE),
    (RELEASE, "create", "serviceaccounts/*/token", SYSTEM),
    *((SERVER, verb, "events", EVERYWHERE) for verb in ("update", "delete")),
    (SERVER, "patch", "pods/*/status", EVERYWHERE),
    (SERVER, "create", "pods/*/exec", EVERYWHERE),
    (SERVER, "create", "pods/*/binding", EVERYWHERE),
    *((SERVER, verb, "secrets", SYSTEM) for verb in ("get", "list", "watch", "update", "patch", "delete")),
    *((SERVER, verb, f"secrets/{names.CA_SECRET}", SYSTEM) for verb in ("update", "delete")),
    (SERVER, "get", "secrets/another", SYSTEM),
    *((SERVER, verb, "configmaps/another", SYSTEM) for verb in ("get", "list", "update", "patch", "delete")),
    *((SERVER, verb, "configmaps", "kube-system") for verb in ("get", "list", *WRITING)),
    *((SERVER, verb, "secrets", "default") for verb in ("get", "list", "create")),
    *((SERVER, verb, WEBHOOKS, EVERYWHERE) for verb in ("get", "list", *WRITING)),
    (SERVER, "patch", f"{WEBHOOKS}/another", EVERYWHERE),
    (SERVER, "delete", f"{WEBHOOKS}/{names.WEBHOOK_CONFIGURATION}", EVERYWHERE),
    (SERVER, "patch", "validatingwebhookconfigurations.admissionregistration.k8s.io/stoker", EVERYWHERE),
    *((SERVER, verb, "clusterroles.rbac.authorization.k8s.io", EVERYWHERE) for verb in ("create", "bind", "escalate")),
    (SERVER, "impersonate", "users", EVERYWHERE),
    (SERVER, "create", "serviceaccounts/*/token", SYSTEM),
    *((SCHEDULER, verb, "secrets", SYSTEM) for verb in ("get", "list", "create")),
    (SCHEDULER, "patch", f"{WEBHOOKS}/{names.WEBHOOK_CONFIGURATION}", EVERYWHERE),
    (SCHEDULER, "update", f"{LEASES}/another", SYSTEM),
    *((SCHEDULER, verb, PROFILES, EVERYWHERE) for verb in WRITING),
]


@pytest.mark.parametrize(("account", "verb", "what", "namespace"), ALLOWED)
async def test_the_accounts_may_do_what_their_code_does(
    administrator: ApiClient, account: str, verb: str, what: str, namespace: str
) -> None:
    assert await may(administrator, account, verb, what, namespace)


@pytest.mark.parametrize(("account", "verb", "what", "namespace"), FORBIDDEN)
async def test_the_accounts_may_do_no_more(
    administrator: ApiClient, account: str, verb: str, what: str, namespace: str
) -> None:
    assert not await may(administrator, account, verb, what, namespace)


@pytest.mark.parametrize("role", ["ClusterRole", "Role"])
def test_no_rule_of_ours_has_a_wildcard(role: str) -> None:
    rules = [rule for item in load("default") if item["kind"] == role for rule in item["rules"]]
    assert rules
    assert [rule for rule in rules if any("*" in words for words in rule.values())] == []
