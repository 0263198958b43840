"""`stoker serve` without a cluster: what it says of options that it cannot use, and how it waits for an API server."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from cluster.holders import Reach, connect
from lab.processes import free_ports
from tests.cli.command import answer, serving, stoker, until


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    """Of an API server that does not answer: nobody listens on its port."""
    path = tmp_path / "kubeconfig"
    path.write_text(
        f"""
apiVersion: v1
kind: Config
current-context: dead
clusters: [{{name: dead, cluster: {{server: "http://127.0.0.1:{free_ports(1)[0]}"}}}}]
users: [{{name: nobody, user: {{}}}}]
contexts: [{{name: dead, context: {{cluster: dead, user: nobody}}}}]
"""
    )
    return path


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--roles", "webhook,cook"], "--roles 'webhook,cook': name some of webhook, extender, controllers"),
        (["--webhook-listen", "9443"], "--webhook-listen: address '9443' has no port"),
        (["--metrics-listen", "::1:9090"], "--metrics-listen: address '::1:9090': an IPv6 host stands in brackets"),
        (["--controllers-listen", "9445"], "--controllers-listen: address '9445' has no port"),
        (["--metrics-listen", ":9443"], "--webhook-listen and --metrics-listen are both :9443"),
        (["--tls-cert-file", "tls.crt"], "--tls-cert-file and --tls-key-file go together"),
        (["--log-level", "loud"], "log level 'loud' is unknown"),
        (["--insecure-http", "--webhook-listen", "0.0.0.0:9443"], "--insecure-http is for loopback only, and webhook"),
        (["--insecure-http", "--roles", "extender"], "--insecure-http is for loopback only, and extender"),
    ],
)
async def test_an_option_that_cannot_be_used_ends_it_with_one_sentence(
    words: list[str], complaint: str, tmp_path: Path
) -> None:
    """Before it looks for a cluster: there is no such kubeconfig."""
    ended = await stoker("serve", "--kubeconfig", tmp_path / "none", *words)
    assert (ended.status, ended.output) == (1, "")
    (sentence,) = ended.complaint.splitlines()
    assert sentence.startswith("stoker: ")
    assert complaint in sentence


async def test_a_missing_kubeconfig_ends_it(tmp_path: Path) -> None:
    ended = await stoker("serve", "--kubeconfig", tmp_path / "none")
    assert ended.status == 1
    assert ended.complaint.splitlines()[-1].startswith("stoker: no access to a cluster")
    assert "Traceback" not in ended.complaint


async def test_an_address_that_is_taken_ends_it_with_one_sentence(kubeconfig: Path) -> None:
    holder = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    taken = f"127.0.0.1:{holder.sockets[0].getsockname()[1]}"
    async with holder:
        ended = await stoker("serve", "--kubeconfig", kubeconfig, "--metrics-listen", taken)
    assert (ended.status, ended.output) == (1, "")
    assert f"cannot listen on {taken}" in ended.complaint.splitlines()[-1]
    assert "Traceback" not in ended.complaint


async def test_an_unknown_answer_to_unknown_profiles_is_refused(kubeconfig: Path) -> None:
    ended = await stoker("serve", "--kubeconfig", kubeconfig, "--unknown-profile", "shrug")
    assert ended.status != 0
    assert "'shrug'" in ended.complaint


@pytest.mark.parametrize("words", [["--insecure-http"], []], ids=["plain HTTP", "self-managed certificates"])
async def test_without_an_api_server_it_lives_is_not_ready_and_ends_when_told(
    kubeconfig: Path, words: list[str]
) -> None:
    webhook, extender, metrics = (f"127.0.0.1:{port}" for port in free_ports(3))
    listens = ["--webhook-listen", webhook, "--extender-listen", extender, "--metrics-listen", metrics]
    async with serving("--kubeconfig", kubeconfig, *listens, *words) as process:
        assert await answer(f"http://{metrics}/healthz") == (200, "ok\n")
        status, reason = await answer(f"http://{metrics}/readyz")
        assert status == 503
        assert "snapshot: " in reason
        assert "nodes" in reason
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0


async def test_the_extender_does_not_wait_for_what_the_webhook_waits_for_and_nor_does_the_end(kubeconfig: Path) -> None:
    webhook, extender, metrics = (f"127.0.0.1:{port}" for port in free_ports(3))
    listens = ["--webhook-listen", webhook, "--extender-listen", extender, "--metrics-listen", metrics]
    async with serving("--kubeconfig", kubeconfig, *listens, "--insecure-http") as process:
        await until(lambda: _accepts(extender))
        assert await _accepts(webhook) is None
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0


async def _accepts(address: str) -> bool | None:
    host, _, port = address.rpartition(":")
    return await connect(host, int(port)) is Reach.ACCEPTED or None
