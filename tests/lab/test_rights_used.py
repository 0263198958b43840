"""Least privilege, proven: whatever the manifests grant, Stoker's code asks for, as the audit log tells."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any, Final

import pytest

from lab.commandlines import ControlPlaneSettings
from lab.constants import Constants
from lab.controlplane import ControlPlane
from lab.toolchain import Programs
from manifests.loader import load
from model import names
from tests.cli.command import stoker, until
from tests.lab.installed import GATED, SCORED, Installation, installed
from tests.lab.rollover import roll_over

pytestmark = pytest.mark.controlplane

ACCOUNTS: Final = "system:serviceaccount:" + names.NAMESPACE + ":"
GROUP: Final = "system:serviceaccounts:" + names.NAMESPACE
VERBS_OF_OUR_OWN: Final = frozenset(("assign", "exempt", "markwarm", "place", "ungate"))
"""No request has them: policies ask the authorizer (tests/manifests/test_let_through.py uses each)."""

USED_BY_KUBE_SCHEDULER: Final = "stoker-scheduler-lease"
"""tests/manifests/test_installation.py runs kube-scheduler with it."""

Right = tuple[str, str, str, str, str]
"""Account, verb, API group, resource[/subresource], name (empty: any)."""


def granted() -> Iterator[Right]:
    """What roles of ours grant to accounts of ours."""
    objects = load("default")
    roles = {
        (item["kind"], item["metadata"]["name"]): item["rules"]
        for item in objects
        if item["kind"] in ("Role", "ClusterRole") and item["metadata"]["name"] != USED_BY_KUBE_SCHEDULER
    }
    for item in objects:
        if item["kind"] not in ("RoleBinding", "ClusterRoleBinding"):
            continue
        rules = roles.get((item["roleRef"]["kind"], item["roleRef"]["name"]), [])
        accounts = [one["name"] for one in item["subjects"] if one.get("namespace") == names.NAMESPACE]
        for account in accounts:
            for rule in rules:
                yield from _rights(account, rule)


def _rights(account: str, rule: dict[str, Any]) -> Iterator[Right]:
    for verb in set(rule["verbs"]) - VERBS_OF_OUR_OWN:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for name in rule.get("resourceNames", [""]):
                    yield account, verb, group, resource, name


def used(control_plane: ControlPlane) -> set[Right]:
    """What was asked for and allowed; each with the name of the object, and without."""
    found = set()
    for line in control_plane.audit_log.read_text().splitlines():
        event = json.loads(line)
        subject = event.get("objectRef")
        if subject is None or event.get("responseStatus", {}).get("code") == 403:
            continue
        resource = "/".join(filter(None, (subject["resource"], subject.get("subresource"))))
        account = event["user"]["username"].removeprefix(ACCOUNTS)
        for name in ("", subject.get("name", "")):
            found.add((account, event["verb"], subject.get("apiGroup", ""), resource, name))
    return found


async def place(installation: Installation) -> None:
    """One pod by nomination, one by the extender."""
    nominated = await installation.create(await installation.namespace(GATED), installation.manifest())
    scored = await installation.create(await installation.namespace(SCORED), installation.manifest())
    await installation.node_of(nominated)
    await installation.forecast_of(scored)


async def release_a_pod(installation: Installation) -> None:
    """`stoker release` with the account of its own, of a pod that still has a nomination of Stoker's."""
    stage, namespace = installation.stage, await installation.namespace(None)
    await asyncio.gather(*(process.stop() for process in stage.webhooks))
    manifest = installation.manifest(schedulingGates=[{"name": names.WARM_NODE_GATE}])
    manifest["metadata"]["annotations"] = {names.FORECAST_ANNOTATION: '{"node":"gone","seconds":1}'}
    created = await installation.create(namespace, manifest)
    path = f"/api/v1/namespaces/{namespace}/pods/{created['metadata']['name']}"
    await stage.client.patch(f"{path}/status", {"status": {"nominatedNodeName": "gone"}})
    token = await stage.control_plane.kubectl("create", "token", "stoker-release", f"--namespace={names.NAMESPACE}")
    kubeconfig = stage.control_plane.kubeconfig_for_token(token.strip(), "stoker-release")
    ended = await stoker("release", "--all", "--kubeconfig", kubeconfig)
    assert ended.status == 0, ended.complaint


async def test_every_right_that_is_granted_was_used(programs: Programs, constants: Constants) -> None:
    """Lists are not streamed, as on old servers: so the right to list, which only the paged form needs, is used too."""
    settings = ControlPlaneSettings(audited_groups=(GROUP,), streams_lists=False)
    rights = set(granted())
    assert len(rights) > 20
    async with installed(programs, constants, settings) as installation:
        stage = installation.stage
        await place(installation)
        await roll_over(str(stage.control_plane.admin_kubeconfig))
        await release_a_pod(installation)

        async def all_used() -> bool | None:
            return rights <= used(stage.control_plane) or None

        try:
            await until(all_used, seconds=20)
        except TimeoutError:
            assert rights - used(stage.control_plane) == set()
