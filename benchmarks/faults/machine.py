"""Trouble of the machine under Stoker: a full disk, a clock that jumps."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Final

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.faults.disk import fill, small_disk, write_in_vain
from benchmarks.faults.findings import Finding, Result, Skipped
from benchmarks.faults.place import AdmissionPlace, trouble
from benchmarks.faults.replicas import Replica, Replicas
from benchmarks.faults.setting import Family
from benchmarks.faults.suspension import suspended
from benchmarks.faults.verdicts import Trouble, judge_refusing_none
from certs.authority import CertificateAuthority, KeyPair
from certs.serving import IDENTITIES
from lab.commandlines import LOOPBACK
from lab.stage import eventually
from model.errors import LabError

RECOVERY_SECONDS: Final = 90.0
HOUR_SECONDS: Final = 3600
JUMP_TOLD: Final = "the clock was set"
FILE_TOLD: Final = "certificates: "
ERRORS: Final = "stoker_certificate_errors_total"
LIBRARIES: Final = (
    Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"),
    Path("/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1"),
    Path("/usr/lib/faketime/libfaketimeMT.so.1"),
)


@dataclass(frozen=True, slots=True)
class Extent:
    per_second: float
    trouble_seconds: float


LONG: Final = Extent(20.0, 30.0)
SHORT: Final = Extent(10.0, 1.0)


async def disk_full(place: AdmissionPlace) -> Result:
    """Certificate, temporary files and log on a disk that is full when the certificate is renewed."""
    async with AsyncExitStack() as stack:
        try:
            disk = await stack.enter_async_context(small_disk(place.setting.directory / "disk"))
        except LabError as error:
            return Skipped("disk-full", f"no tmpfs can be mounted here ({error})")
        return await _on_small_disk(place, disk)


async def _on_small_disk(place: AdmissionPlace, disk: Path) -> Finding:
    authority = CertificateAuthority.create("faults", now=datetime.now(UTC))
    first, second = (authority.issue("stoker", now=datetime.now(UTC), identities=IDENTITIES) for _ in range(2))
    certificate, key = disk / "tls.crt", disk / "tls.key"
    _write(certificate, key, first)
    options = ("--tls-cert-file", str(certificate), "--tls-key-file", str(key))
    extent, kept, complaints = place.setting.extent(LONG, SHORT), list[Trouble](), list[str]()
    async with place.asking(
        1, options, {"TMPDIR": str(disk)}, logs=disk, authority_pem=authority.pair.certificate_pem
    ) as (replicas, namespace):
        replica = replicas.running[0]
        async with place.streaming(namespace, extent.per_second) as stream:
            async with trouble("disk full", kept, place.setting.tell):
                write_in_vain(certificate, second.certificate_pem)
                filler = fill(disk)
                await eventually(lambda: _has_noticed(replica), "the emptied file was not noticed", RECOVERY_SECONDS)
                await asyncio.sleep(extent.trouble_seconds)
            if not await _shows(replica, first):
                complaints.append("the certificate of before was not served while the disk was full")
            filler.unlink()
            _write(certificate, key, second)
            began_at = monotonic()
            await eventually(lambda: _shows(replica, second), "the renewed pair is not served", RECOVERY_SECONDS)
            recovered = monotonic() - began_at
        if FILE_TOLD not in replica.process.log.read_text(encoding="utf-8", errors="replace"):
            complaints.append("the log never told that the certificate could not be read")
        outcome = await place.outcome(namespace, stream, kept)
    return replace(judge_refusing_none("disk-full", outcome, complaints), recovered_seconds=recovered)


def _write(certificate: Path, key: Path, pair: KeyPair) -> None:
    certificate.write_bytes(pair.certificate_pem)
    key.write_bytes(pair.key_pem)


async def _has_noticed(replica: Replica) -> bool:
    """By the metric: nothing can be written to the log."""
    url = f"http://{LOOPBACK}:{replica.metrics_port}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        families = text_string_to_metric_families(await response.text())
        return any(item.value > 0 for family in families for item in family.samples if item.name == ERRORS)


async def _shows(replica: Replica, pair: KeyPair) -> bool:
    """Whether a new connection is shown this certificate."""
    shown = await asyncio.to_thread(ssl.get_server_certificate, (LOOPBACK, replica.port), timeout=5)
    return ssl.PEM_cert_to_DER_cert(shown) == ssl.PEM_cert_to_DER_cert(pair.certificate_pem.decode())


def _clock_jumps(name: str, seconds: int) -> Callable[[AdmissionPlace], Awaitable[Result]]:
    async def jump(place: AdmissionPlace) -> Result:
        """The clock of the replicas is set, and later set right again, under a steady load."""
        library = next((path for path in LIBRARIES if path.exists()), None)
        if library is None:
            return Skipped(name, "libfaketime is not installed (Debian: apt-get install libfaketime)")
        offset = place.setting.directory / "offset"
        offset.write_text("+0")
        extent, kept = place.setting.extent(LONG, SHORT), list[Trouble]()
        async with (
            place.asking(2, environment=_faked(library, offset)) as (replicas, namespace),
            place.streaming(namespace, extent.per_second) as stream,
        ):
            async with trouble("clock wrong", kept, place.setting.tell):
                offset.write_text(f"{seconds:+d}")
                await eventually(lambda: _all_tell(replicas, 1), "no replica noticed its clock", RECOVERY_SECONDS)
                await asyncio.sleep(extent.trouble_seconds)
            offset.write_text("+0")
            await eventually(lambda: _all_tell(replicas, 2), "no replica noticed its clock", RECOVERY_SECONDS)
            await asyncio.sleep(extent.trouble_seconds / 3)
        return judge_refusing_none(name, await place.outcome(namespace, stream, kept))

    return jump


def _faked(library: Path, offset: Path) -> dict[str, str]:
    """The file is read again once a second; what measures durations stays as it is, as it would."""
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


async def _all_tell(replicas: Replicas, times: int) -> bool:
    logs = [replica.process.log.read_text(encoding="utf-8") for replica in replicas.running]
    return all(text.count(JUMP_TOLD) >= times for text in logs)


FAMILY: Final = Family(
    AdmissionPlace.start,
    {
        "disk-full": disk_full,
        "clock-ahead": _clock_jumps("clock-ahead", HOUR_SECONDS),
        "clock-behind": _clock_jumps("clock-behind", -HOUR_SECONDS),
        "suspended": suspended,
    },
)
