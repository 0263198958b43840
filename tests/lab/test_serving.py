"""`stoker serve` against a running cluster with the flags that the stage does not use."""

from __future__ import annotations

import signal
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from certs.authority import CertificateAuthority
from lab.processes import free_ports
from tests.builders import review
from tests.cli.command import answer, serving, until
from tests.lab.installed import NODES, WARM, Installation, kubeconfig_of

pytestmark = pytest.mark.controlplane


async def ready(metrics: str) -> None:
    async def is_ready() -> bool | None:
        return (await answer(f"http://{metrics}/readyz"))[0] == 200 or None

    assert await until(is_ready)


async def post(url: str, body: dict[str, Any], trust: ssl.SSLContext | bool = True) -> Any:
    async with aiohttp.ClientSession() as session, session.post(url, json=body, ssl=trust) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def test_all_roles_serve_in_one_process_with_certificates_from_files(
    installation: Installation, tmp_path: Path
) -> None:
    authority = CertificateAuthority.create("test", now=datetime.now(UTC))
    leaf = authority.issue("stoker", now=datetime.now(UTC), identities=["127.0.0.1"])
    (tmp_path / "tls.crt").write_bytes(leaf.certificate_pem)
    (tmp_path / "tls.key").write_bytes(leaf.key_pem)
    trust = ssl.create_default_context(cadata=authority.pair.certificate_pem.decode())
    webhook, extender, controllers, metrics = (f"127.0.0.1:{port}" for port in free_ports(4))
    pod = await installation.create(await installation.tenant(), installation.manifest(), dryRun="All")
    async with serving(
        *("--roles", "webhook,extender,controllers"),
        *("--kubeconfig", kubeconfig_of(installation.stage.webhooks[0])),
        *("--webhook-listen", webhook, "--extender-listen", extender),
        *("--controllers-listen", controllers, "--metrics-listen", metrics),
        *("--tls-cert-file", tmp_path / "tls.crt", "--tls-key-file", tmp_path / "tls.key"),
        *("--unknown-profile", "refuse", "--time-scale", str(installation.stage.speed)),
        *("--linger-seconds", "0"),
    ) as process:
        await ready(metrics)
        arguments = {"Pod": pod, "Nodes": None, "NodeNames": sorted(NODES)}
        scores = {
            item["Host"]: item["Score"] for item in await post(f"https://{extender}/prioritize", arguments, trust)
        }
        assert scores.keys() == NODES
        assert {node for node, score in scores.items() if score == 10} <= WARM
        reviewed = await post(f"https://{webhook}/mutate", review(pod, namespace=pod["metadata"]["namespace"]), trust)
        assert reviewed["response"]["allowed"] is True
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0


async def test_a_client_that_trusts_another_authority_is_not_served(installation: Installation) -> None:
    another = CertificateAuthority.create("another", now=datetime.now(UTC))
    trust = ssl.create_default_context(cadata=another.pair.certificate_pem.decode())
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        await post(f"https://127.0.0.1:{installation.stage.balancer.port}/mutate", review(None), trust)


@pytest.mark.parametrize("policy", ["admit", "refuse"])
async def test_unknown_profiles_are_answered_as_the_flag_says(installation: Installation, policy: str) -> None:
    namespace = await installation.ghostly()
    webhook, metrics = (f"127.0.0.1:{port}" for port in free_ports(2))
    async with serving(
        *("--roles", "webhook", "--insecure-http", "--unknown-profile", policy),
        *("--kubeconfig", kubeconfig_of(installation.stage.webhooks[0])),
        *("--webhook-listen", webhook, "--metrics-listen", metrics),
    ):
        await ready(metrics)
        body = review(installation.manifest(), namespace=namespace)
        response = (await post(f"http://{webhook}/mutate", body))["response"]
    assert response["allowed"] is (policy == "admit")
    assert "patch" not in response
    said = response["warnings"][0] if policy == "admit" else response["status"]["message"]
    assert "'nobodys'" in said
