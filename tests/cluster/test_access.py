"""Access to a cluster as a kubeconfig describes it; what keeps us from it is told, and never passed over."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cluster import access as subject
from cluster.access import load_access
from lab.credentials import Credentials
from model.errors import InvalidInput
from tests.cluster.kubeconfigs import kubeconfig, plugin

CREDENTIAL = '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "t"}}'


async def test_a_context_leads_to_its_cluster(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config", "here", "there", current="here", user={"token": "secret"})
    access = await load_access(path, "there")
    assert (access.server, await access.authorization()) == ("http://127.0.0.1:1/there", "Bearer secret")


async def test_a_pods_token_that_cannot_be_read_again_is_used_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from kubernetes.aio.config import incluster_config as library

    token = tmp_path / "token"
    token.write_text("secret")
    authority = Credentials(tmp_path / "credentials", now=datetime.now(UTC)).ca_file
    monkeypatch.setattr(subject, "SERVICE_ACCOUNT_TOKEN", token)
    monkeypatch.setattr(library, "SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(library, "SERVICE_CERT_FILENAME", str(authority))
    monkeypatch.setattr("cluster.tokens.REREAD_SECONDS", 0.0)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "1")
    access = await load_access()
    assert (access.server, await access.authorization()) == ("https://127.0.0.1:1", "Bearer secret")
    token.unlink()
    assert await access.authorization() == "Bearer secret"
    assert "cannot be read" in caplog.text


async def test_the_token_of_a_plugin_is_what_we_show(tmp_path: Path) -> None:
    user = plugin(tmp_path / "login", f"echo '{CREDENTIAL}'")
    access = await load_access(kubeconfig(tmp_path / "config", "here", current="here", user=user))
    assert await access.authorization() == "Bearer t"


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (('echo "your session has expired" >&2', 'echo "run login" >&2', "exit 3"), "expired run login"),
        (("exit 3",), "exec: process returned 3"),
        (("echo hello",), "failed to decode process output"),
        ((f"echo '{CREDENTIAL.replace('token', 'word')}'",), "missing token or clientCertificateData"),
    ],
    ids=["complains", "fails in silence", "gives no JSON", "gives no credential"],
)
async def test_a_plugin_that_fails_is_told_with_its_command_and_its_complaint(
    lines: tuple[str, ...], complaint: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    user = plugin(tmp_path / "login", *lines)
    path = kubeconfig(tmp_path / "config", "here", current="here", user=user)
    with pytest.raises(InvalidInput) as raised:
        await load_access(path)
    told = str(raised.value)
    assert f"context 'here' of {path} gets its credentials by the command '{tmp_path}/login', which failed" in told
    assert complaint in told
    assert "b'" not in told
    assert caplog.records == []


async def test_of_two_plugins_that_fail_at_a_time_each_is_told_with_its_own_complaint(tmp_path: Path) -> None:
    slow = plugin(tmp_path / "slow", f"until [ -e {tmp_path}/told ]; do sleep 0.05; done", "exit 4")
    quick = plugin(tmp_path / "quick", "exit 3")

    async def load_slow() -> None:
        with pytest.raises(InvalidInput, match="process returned 4"):
            await load_access(kubeconfig(tmp_path / "slow.config", "here", current="here", user=slow))

    async def load_quick() -> None:
        try:
            with pytest.raises(InvalidInput, match="process returned 3"):
                await load_access(kubeconfig(tmp_path / "quick.config", "here", current="here", user=quick))
        finally:
            (tmp_path / "told").touch()

    await asyncio.gather(load_slow(), load_quick())


async def test_a_plugin_that_is_not_installed_is_told(tmp_path: Path) -> None:
    user = plugin(tmp_path / "login")
    (tmp_path / "login").unlink()
    with pytest.raises(InvalidInput, match="No such file or directory"):
        await load_access(kubeconfig(tmp_path / "config", "here", current="here", user=user))


async def test_a_certificate_that_is_not_there_is_told(tmp_path: Path) -> None:
    user = {"client-certificate": "gone.crt", "client-key": "gone.key"}
    path = kubeconfig(tmp_path / "config", "here", current="here", server="https://127.0.0.1:1", user=user)
    with pytest.raises(InvalidInput, match=f"context 'here' of {path} cannot be used .*gone.crt"):
        await load_access(path)
