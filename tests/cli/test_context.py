"""`--context`, as kubectl has it, with every command that talks to a cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from tests.cli.command import stoker
from tests.cluster.kubeconfigs import kubeconfig

COMMANDS = pytest.mark.parametrize(
    "words",
    [
        ("explain", "agent"),
        ("nodes",),
        ("release",),
        ("certs",),
        ("certs", "status"),
        ("certs", "rotate"),
        ("certs", "issue", "--dir", "unused"),
        ("serve", "--insecure-http", "--roles=extender", "--extender-listen=127.0.0.1:0"),
    ],
    ids=" ".join,
)


@pytest_asyncio.fixture(loop_scope="session")
async def asked() -> AsyncIterator[tuple[str, list[str]]]:
    """The URL of a server that refuses everything, and the paths that it was asked for."""
    seen: list[str] = []

    async def refuse(request: web.Request) -> web.Response:
        seen.append(request.path)
        return web.json_response({"message": "not here"}, status=403)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", refuse)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}", seen
    await runner.cleanup()


@COMMANDS
async def test_an_unknown_context_ends_it_with_those_there_are(words: tuple[str, ...], tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config", "here", "there", current="here")
    ended = await stoker(*words, "--kubeconfig", path, "--context", "nowhere")
    assert (ended.status, ended.output) == (1, "")
    assert ended.complaint.endswith(f"no context 'nowhere' in {path}; choose one with --context: here, there\n")


@pytest.mark.parametrize("words", [("nodes",), ("release",), ("certs", "status")], ids=" ".join)
async def test_the_cluster_of_the_context_is_asked(
    words: tuple[str, ...], asked: tuple[str, list[str]], tmp_path: Path
) -> None:
    server, paths = asked
    path = kubeconfig(tmp_path / "config", "here", "there", current="here", server=server)
    ended = await stoker(*words, "--kubeconfig", path, "--context", "there")
    assert (ended.status, ended.output) == (1, "")
    assert paths
    assert all(one.startswith("/there/") for one in paths)


@pytest.mark.parametrize(
    ("option", "command"),
    [(("--kubeconfig", "config"), "rotate"), (("--context", "here"), "issue"), (("-o", "json"), "status")],
)
async def test_options_before_a_command_of_certs_are_not_passed_over(option: tuple[str, str], command: str) -> None:
    ended = await stoker("certs", *option, command, *(["--dir", "unused"] if command == "issue" else []))
    assert (ended.status, ended.output) == (1, "")
    assert f"belong behind the command that has them: stoker certs {command}" in ended.complaint
