"""A scheduler of its own, with the files of `stoker certs issue` and nothing else, asks the extender."""

from __future__ import annotations

import ssl
from pathlib import Path

import aiohttp
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from lab.processes import free_ports
from tests.cli.command import answer, serving, stoker, until
from tests.lab.installed import NODES, Installation, Metrics, kubeconfig_of

pytestmark = pytest.mark.controlplane

SCHEDULER = "mutual-scheduler"


async def metrics_of(address: str) -> Metrics:
    _, text = await answer(f"http://{address}/metrics")
    return Metrics(list(text_string_to_metric_families(text)))


async def ready(address: str) -> None:
    async def asked() -> bool | None:
        return (await answer(f"http://{address}/readyz"))[0] == 200 or None

    await until(asked, 60)


async def test_a_scheduler_with_issued_files_is_answered_and_a_stranger_is_not(
    installation: Installation, tmp_path: Path
) -> None:
    control_plane = installation.stage.control_plane
    extender, metrics = (f"127.0.0.1:{port}" for port in free_ports(2))
    ended = await stoker(
        *("certs", "issue", "--dir", tmp_path, "--url", f"https://{extender}"),
        *("--kubeconfig", control_plane.admin_kubeconfig),
    )
    assert ended.status == 0, ended.complaint
    assert (tmp_path / "client.key").stat().st_mode & 0o777 == 0o600
    async with serving(
        *("--roles", "extender", "--extender-listen", extender, "--metrics-listen", metrics),
        *("--kubeconfig", kubeconfig_of(installation.stage.webhooks[0])),
        *("--time-scale", str(installation.stage.speed), "--certificate-check-seconds", "1"),
    ):
        await ready(metrics)
        stranger = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
        with pytest.raises((aiohttp.ClientError, ssl.SSLError)):
            async with aiohttp.ClientSession() as session:
                await session.post(f"https://{extender}/filter", json={}, ssl=stranger)

        configuration = yaml.safe_load((tmp_path / "scheduler.yaml").read_text())
        configuration["profiles"][0]["schedulerName"] = SCHEDULER
        configuration["leaderElection"]["leaderElect"] = False  # the lab's own scheduler may hold that Lease
        await control_plane.start_scheduler(SCHEDULER, configuration)
        try:
            pod = installation.manifest()
            pod["spec"]["schedulerName"] = SCHEDULER
            created = await installation.create(await installation.tenant(), pod)
            assert await installation.node_of(created) in NODES
            found = await metrics_of(metrics)
            assert found.value("stoker_extender_answers_total", verb="filter") >= 1
            assert found.value("stoker_extender_answers_total", verb="prioritize", basis="forecast") >= 1
        finally:
            await control_plane.schedulers[SCHEDULER].stop()
            await installation.delete_pods()
