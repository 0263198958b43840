"""The two sides of a bench as processes: `stoker serve`, and the opponents that do the same work in Go."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from lab.commandlines import LOOPBACK
from lab.controlplane import answers_ok
from lab.credentials import CredentialFiles
from lab.processes import Check, Process, start_on_free_ports
from lab.stage import serving

_TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Party:
    """One side, and where it answers (no path, no slash at the end)."""

    process: Process
    url: str
    metrics: str = ""
    """Where Stoker tells of itself."""

    def cpu_seconds(self) -> float:
        """What its process has used until now, in user and in kernel mode (proc(5), `stat`)."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND

    def resident_mebibytes(self) -> float:
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * _PAGE_BYTES / 2**20

    async def counted(self, metric: str, label: str, **having: str) -> dict[str, int]:
        """What Stoker's metric of that name says until now, by the value of the label."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.metrics}/metrics") as response:
            families = list(text_string_to_metric_families(await response.text()))
        samples = (sample for family in families for sample in family.samples if sample.name == metric)
        return {
            sample.labels.get(label, ""): int(sample.value)
            for sample in samples
            if having.items() <= sample.labels.items()
        }

    async def answered(self, verb: str) -> dict[str, int]:
        """The extender's answers to the verb until now, by what they rest on."""
        return await self.counted("stoker_extender_answers_total", "basis", verb=verb)


@asynccontextmanager
async def stoker_extender(kubeconfig: Path, directory: Path) -> AsyncIterator[Party]:
    """`stoker serve --roles extender` beside a scheduler: ready, which means synced, when the block begins."""
    async with _stoker("extender", kubeconfig, directory, ["--insecure-http"]) as party:
        yield party


@asynccontextmanager
async def stoker_webhook(kubeconfig: Path, directory: Path, files: CredentialFiles) -> AsyncIterator[Party]:
    """`stoker serve --roles webhook` with the certificate of these files."""
    tls = ["--tls-cert-file", files.certificate, "--tls-key-file", files.key]
    async with _stoker("webhook", kubeconfig, directory, tls) as party:
        yield party


@asynccontextmanager
async def go_extender(program: Path, directory: Path) -> AsyncIterator[Party]:
    def build(ports: Sequence[int]) -> Process:
        address = f"{LOOPBACK}:{ports[0]}"
        check = answers_ok(f"http://{address}/healthz")
        return Process("go-extender", [program, "-listen", address], log=_log(directory, "go-extender"), check=check)

    async with _running(1, build, "http") as party:
        yield party


@asynccontextmanager
async def go_webhook(program: Path, directory: Path, files: CredentialFiles) -> AsyncIterator[Party]:
    def build(ports: Sequence[int]) -> Process:
        command: list[str | Path] = [program, "-listen", f"{LOOPBACK}:{ports[0]}"]
        command += ["-certificate", files.certificate, "-key", files.key]
        check = _accepts(ports[0])
        return Process("go-webhook", command, log=_log(directory, "go-webhook"), check=check)

    async with _running(1, build, "https") as party:
        yield party


@asynccontextmanager
async def _stoker(role: str, kubeconfig: Path, directory: Path, options: Sequence[Any]) -> AsyncIterator[Party]:
    def build(ports: Sequence[int]) -> Process:
        words = [
            "--kubeconfig",
            kubeconfig,
            "--linger-seconds",
            "0",
            *options,
            f"--{role}-listen",
            f"{LOOPBACK}:{ports[0]}",
        ]
        return serving(f"stoker-{role}", role, ports[1], words, log=_log(directory, role))

    async with _running(2, build, "http" if role == "extender" else "https") as party:
        yield party


@asynccontextmanager
async def _running(ports: int, build: Callable[[Sequence[int]], Process], scheme: str) -> AsyncIterator[Party]:
    taken: list[int] = []

    def remembered(free: Sequence[int]) -> Process:
        taken[:] = free
        return build(free)

    process = await start_on_free_ports(ports, remembered)
    try:
        metrics = f"http://{LOOPBACK}:{taken[1]}" if len(taken) > 1 else ""
        yield Party(process, f"{scheme}://{LOOPBACK}:{taken[0]}", metrics)
    finally:
        await process.stop()


def _accepts(port: int) -> Check:
    """Whether somebody listens there."""

    async def check() -> bool:
        try:
            _, writer = await asyncio.open_connection(LOOPBACK, port)
        except OSError:
            return False
        writer.close()
        return True

    return check


def _log(directory: Path, name: str) -> Path:
    return directory / f"{name}.log"
