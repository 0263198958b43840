"""Tokens that do not last are renewed in time; a plugin or a file that fails is told, and holds nobody up for ever."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cluster.access import Access, load_access
from cluster.client import ApiClient
from model.errors import ConnectionFailed
from tests.cluster.kubeconfigs import kubeconfig, plugin

DEADLINE_SECONDS = 20.0
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
FAR_OFF = datetime(2100, 1, 1, tzinfo=UTC)


class Login:
    """A plugin: its tokens are t1, t2 and so on; `later` are the lines that come first in every run but the first."""

    def __init__(self, directory: Path, *later: str) -> None:
        self._directory = directory
        self._later = later
        self._runs = directory / "runs"

    @property
    def runs(self) -> int:
        return len(self._runs.read_text())

    async def access(self, expiry: datetime) -> Access:
        """By a first token that expires then, as all those after it."""
        status = f'"token": "t\'$(wc -c < {self._runs} | tr -d " ")\'", "expirationTimestamp": "{expiry.isoformat()}"'
        version = "client.authentication.k8s.io/v1"
        user = plugin(
            self._directory / "login",
            f"printf x >> {self._runs}",
            f"if [ $(wc -c < {self._runs}) -gt 1 ]; then :; {'; '.join(self._later) or ':'}; fi",
            f'echo \'{{"apiVersion": "{version}", "kind": "ExecCredential", "status": {{{status}}}}}\'',
        )
        return await load_access(kubeconfig(self._directory / "config", "here", current="here", user=user))


async def until_shown(access: Access, header: str) -> None:
    """Wait until requests show this; errors on the way are passed over."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            try:
                if await access.authorization() == header:
                    return
            except ConnectionFailed:
                pass
            await asyncio.sleep(0.02)


async def access_by_file(directory: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Access, Path]:
    """By a token in a file that is read for each request."""
    monkeypatch.setattr("cluster.tokens.REREAD_SECONDS", 0.0)
    file = directory / "token"
    file.write_text("first\n")
    path = kubeconfig(directory / "config", "here", current="here", user={"tokenFile": "token"})
    return await load_access(path), file


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin may be run again at once."""
    monkeypatch.setattr("cluster.tokens.AGAIN_SECONDS", 0.0)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(("expiry", "token"), [(LONG_AGO, "t3"), (FAR_OFF, "t1")])
async def test_a_plugin_is_asked_again_when_its_token_has_run_out(expiry: datetime, token: str, tmp_path: Path) -> None:
    access = await Login(tmp_path).access(expiry)
    assert [await access.authorization() for _ in range(2)][-1] == f"Bearer {token}"


async def test_a_plugin_whose_tokens_have_run_out_when_they_come_is_not_run_for_each_request(tmp_path: Path) -> None:
    login = Login(tmp_path)
    access = await login.access(LONG_AGO)
    assert [await access.authorization() for _ in range(3)] == ["Bearer t1"] * 3
    assert login.runs == 1


@pytest.mark.usefixtures("at_once")
async def test_a_token_that_lives_for_minutes_is_not_renewed_with_each_request(tmp_path: Path) -> None:
    login = Login(tmp_path)
    access = await login.access(datetime.now(UTC) + timedelta(minutes=4))
    assert [await access.authorization() for _ in range(3)] == ["Bearer t1"] * 3
    assert login.runs == 1


@pytest.mark.usefixtures("at_once")
async def test_a_token_that_is_about_to_run_out_is_shown_until_another_is_there(tmp_path: Path) -> None:
    access = await Login(tmp_path).access(datetime.now(UTC) + timedelta(seconds=45))
    assert await access.authorization() == "Bearer t1"
    await until_shown(access, "Bearer t2")


@pytest.mark.usefixtures("at_once")
async def test_a_plugin_that_fails_before_its_token_has_run_out_keeps_nobody_from_using_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    login = Login(tmp_path, "exit 3")
    access = await login.access(datetime.now(UTC) + timedelta(seconds=45))
    async with asyncio.timeout(DEADLINE_SECONDS):
        while login.runs < 3:
            assert await access.authorization() == "Bearer t1"
            await asyncio.sleep(0.02)
    assert caplog.records == []


@pytest.mark.usefixtures("at_once")
async def test_a_plugin_that_fails_when_its_token_has_run_out_is_told_with_its_complaint(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    access = await Login(tmp_path, "echo your session has expired >&2", "exit 3").access(LONG_AGO)
    with pytest.raises(ConnectionFailed, match=rf"'{tmp_path}/login' .* failed \(.*your session has expired\)"):
        await access.authorization()
    assert caplog.records == []


async def test_a_plugin_that_failed_is_not_run_for_each_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = Login(tmp_path, "exit 3")
    access = await login.access(LONG_AGO)
    with monkeypatch.context() as patch:
        patch.setattr("cluster.tokens.AGAIN_SECONDS", 0.0)
        with pytest.raises(ConnectionFailed, match="returned 3"):
            await access.authorization()
    for _ in range(3):
        with pytest.raises(ConnectionFailed, match="returned 3"):
            await access.authorization()
    assert login.runs == 2


@pytest.mark.usefixtures("at_once")
async def test_a_plugin_that_does_not_end_is_told_run_once_and_heard_when_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cluster.tokens.PLUGIN_SECONDS", 0.0)
    login = Login(tmp_path, f"until [ -e {tmp_path}/done ]; do sleep 0.05; done")
    access = await login.access(LONG_AGO)
    for _ in range(3):
        with pytest.raises(ConnectionFailed, match="has not ended for 0 s"):
            await access.authorization()
    (tmp_path / "done").touch()
    monkeypatch.setattr("cluster.tokens.AGAIN_SECONDS", 1_000.0)
    await until_shown(access, "Bearer t2")
    assert login.runs == 2


async def test_a_token_is_read_again_from_a_file_that_is_named_from_its_kubeconfig(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    access, file = await access_by_file(tmp_path, monkeypatch)
    assert await access.authorization() == "Bearer first"
    file.write_text("second\n")
    assert await access.authorization() == "Bearer second"


@pytest.mark.parametrize("content", [None, b"", b"\xff"], ids=["gone", "empty", "no text"])
async def test_a_token_stays_while_its_file_cannot_be_read(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    access, file = await access_by_file(tmp_path, monkeypatch)
    await access.authorization()
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    assert await access.authorization() == "Bearer first"
    assert f"the token file {file} " in caplog.text


async def test_a_token_file_is_not_read_for_each_request(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first")
    user = {"tokenFile": str(file)}
    access = await load_access(kubeconfig(tmp_path / "config", "here", current="here", user=user))
    await access.authorization()
    file.write_text("second")
    assert await access.authorization() == "Bearer first"


async def test_a_request_whose_credentials_do_not_come_fails_as_one_without_an_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def never() -> str | None:
        await asyncio.Event().wait()
        return None

    monkeypatch.setattr("cluster.client.REQUEST_SECONDS", 0.02)
    async with ApiClient(Access("http://127.0.0.1:1", ssl.create_default_context(), never)) as client:
        with pytest.raises(ConnectionFailed, match="GET /api/v1/nodes: no answer"):
            await client.get("/api/v1/nodes")
