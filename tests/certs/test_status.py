from __future__ import annotations

import asyncio
import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from certs.authority import CA_LIFETIME, fingerprint
from certs.injection import INJECTOR_ANNOTATIONS
from certs.inspection import inspect, inspect_rollover, is_published
from certs.rollover import Action, apply
from certs.serving import ServingTls
from certs.sources import SelfManaged
from certs.store import StoredAuthority
from cli.certs import app
from cluster.client import ApiClient
from lab.controlplane import ControlPlane
from model.errors import InvalidInput
from tests.certs.builders import NOW, authority
from tests.certs.conftest import CONFIGURATION

CA = authority()
STORED = StoredAuthority(CA, CA.pair.certificate_pem)


def trusting(bundle: bytes) -> dict[str, Any]:
    return {"webhooks": [{"name": "pods.stoker.dev", "clientConfig": {"caBundle": base64.b64encode(bundle).decode()}}]}


def test_all_agree_where_the_webhook_trusts_the_authority_that_signs() -> None:
    rows = inspect(STORED, trusting(STORED.bundle_pem), NOW)
    assert [(row.where, row.verdict, row.agrees) for row in rows] == [
        ("CA Secret", "signs", True),
        ("webhook pods.stoker.dev", "trusted", True),
    ]
    assert [row.days_left for row in rows] == [365.0, 365.0]
    assert rows[0].fingerprint == rows[1].fingerprint


def test_a_webhook_that_trusts_an_old_authority_as_well_agrees() -> None:
    rows = inspect(STORED, trusting(authority().pair.certificate_pem + STORED.bundle_pem), NOW)
    assert [row.agrees for row in rows] == [True, True, True]


@pytest.mark.parametrize(
    ("bundle", "verdict"),
    [
        (authority().pair.certificate_pem, "does not trust the CA that signs"),
        (b"", "no caBundle: the API server does not trust Stoker"),
        (b"nonsense", "not PEM"),
    ],
)
def test_a_webhook_that_trusts_something_else_is_told_of(bundle: bytes, verdict: str) -> None:
    _, row = inspect(STORED, trusting(bundle), NOW)
    assert (row.verdict, row.agrees) == (verdict, False)


def test_an_expired_authority_does_not_agree() -> None:
    signing, _ = inspect(STORED, trusting(STORED.bundle_pem), NOW + CA_LIFETIME + timedelta(days=1))
    assert (signing.verdict, signing.agrees, signing.days_left) == ("expired", False, -1.0)


def test_nothing_installed_is_two_rows_that_say_what_to_do() -> None:
    rows = inspect(None, None, NOW)
    assert [(row.verdict, row.agrees) for row in rows] == [
        ("missing: Stoker makes it when it starts", False),
        ("missing: apply the manifests", False),
    ]


def test_the_next_authority_has_a_row_of_its_own_and_agrees() -> None:
    begun = apply(Action.BEGIN, STORED, NOW)
    rows = inspect(begun, trusting(begun.bundle_pem), NOW)
    assert [(row.where, row.verdict, row.agrees) for row in rows] == [
        ("CA Secret", "signs", True),
        ("CA Secret, next", "will sign", True),
        ("webhook pods.stoker.dev", "trusted", True),
        ("webhook pods.stoker.dev", "trusted", True),
    ]


def test_the_rollover_names_the_replicas_that_have_not_confirmed() -> None:
    begun = apply(Action.BEGIN, STORED, NOW)
    switched = apply(Action.SWITCH, begun, NOW)
    replicas = {"a": fingerprint(switched.certificate), "b": fingerprint(STORED.certificate)}
    report = inspect_rollover(switched, replicas, published=True, now=NOW)
    assert (report.phase, report.waits_for) == ("confirming", "b to serve from the new CA")
    assert [(replica.name, replica.serves_from_signing_ca) for replica in report.replicas] == [
        ("a", True),
        ("b", False),
    ]


def test_a_bundle_is_published_where_every_webhook_has_it_and_no_other() -> None:
    begun = apply(Action.BEGIN, STORED, NOW)
    assert is_published(begun, trusting(begun.bundle_pem))
    assert not is_published(begun, trusting(STORED.bundle_pem))


def test_what_cert_manager_keeps_is_not_compared_with_an_authority_of_ours() -> None:
    kept = {"metadata": {"annotations": {INJECTOR_ANNOTATIONS[0]: "stoker-system/stoker"}}}
    (row,) = inspect(None, kept | trusting(authority().pair.certificate_pem), NOW)
    assert (row.verdict, row.agrees) == ("kept by cert-manager", True)
    (row,) = inspect(None, kept | trusting(b""), NOW)
    assert (row.agrees, row.verdict) == (False, "no caBundle yet: cert-manager's CA injector writes it")


async def run(control_plane: ControlPlane, *arguments: str) -> Result:
    words = ["status", f"--kubeconfig={control_plane.admin_kubeconfig}", *arguments]
    return await asyncio.to_thread(lambda: CliRunner().invoke(app, words))


@pytest.mark.controlplane
async def test_the_command_tells_of_a_cluster_in_order(client: ApiClient, own_control_plane: ControlPlane) -> None:
    await SelfManaged(client, ServingTls()).refresh(NOW)
    result = await run(own_control_plane, "-o", "json")
    report = json.loads(result.stdout)
    assert result.exit_code == 0
    assert report["agrees"]
    assert [row["subject"] for row in report["certificates"]] == ["CN=stoker-ca", "CN=stoker-ca"]


@pytest.mark.controlplane
async def test_the_command_fails_where_a_webhook_does_not_trust_the_authority(
    client: ApiClient, own_control_plane: ControlPlane
) -> None:
    await SelfManaged(client, ServingTls()).refresh(NOW)
    await client.patch(
        CONFIGURATION, [{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}], "application/json-patch+json"
    )
    result = await run(own_control_plane)
    assert result.exit_code == 1
    assert "no caBundle" in result.stdout


@pytest.mark.controlplane
async def test_the_command_says_what_to_do_where_no_cluster_can_be_had(own_control_plane: ControlPlane) -> None:
    result = await run(own_control_plane, "--kubeconfig=/nowhere")
    assert isinstance(result.exception, InvalidInput)
    assert "name another with --kubeconfig" in str(result.exception)
