"""The CA rolls over under load: the webhook fails closed, so whoever is refused would be a pod that was not created."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from certs.injection import decode_bundle, read_configuration
from lab.constants import Constants
from lab.toolchain import Programs
from model import names
from model.errors import ApiError
from tests.cli.command import POLL_SECONDS
from tests.lab.installed import Installation, installed
from tests.lab.rollover import roll_over, status

pytestmark = pytest.mark.controlplane

CLIENTS = 6
ROLLOVERS = 2


@dataclass(slots=True)
class Load:
    """Creates and handshakes that go on until told, and whatever was refused."""

    installation: Installation
    namespace: str
    created: int = 0
    handshakes: int = 0
    refused: list[str] = field(default_factory=list)

    async def create(self) -> None:
        """Dry runs go through admission like any create, and leave nothing behind."""
        while True:
            try:
                pod = await self.installation.create(self.namespace, self.installation.manifest(), dryRun="All")
            except ApiError as error:
                self.refused.append(str(error))
            else:
                assert pod["metadata"]["annotations"][names.PROFILE_ANNOTATION]
                self.created += 1

    async def shake_hands(self) -> None:
        """As an API server without an open connection: each time with nothing but what is published now."""
        while True:
            configuration = await read_configuration(self.installation.stage.client)
            assert configuration is not None
            bundle = decode_bundle(configuration["webhooks"][0]["clientConfig"]["caBundle"])
            context = ssl.create_default_context(cadata=bundle.decode())
            try:
                _, writer = await asyncio.open_connection(
                    "127.0.0.1", self.installation.stage.balancer.port, ssl=context
                )
            except ssl.SSLError as error:
                self.refused.append(str(error))
                continue
            self.handshakes += 1
            writer.close()
            with suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()
            await asyncio.sleep(POLL_SECONDS)


async def test_no_create_is_refused_while_the_authority_rolls_over_twice(
    programs: Programs, constants: Constants
) -> None:
    """In a cluster of its own: replicas that other tests killed would be waited for, for minutes."""
    async with installed(programs, constants) as installation:
        kubeconfig = str(installation.stage.control_plane.admin_kubeconfig)
        load = Load(installation, await installation.tenant())
        working = [asyncio.create_task(load.create()) for _ in range(CLIENTS)]
        working.append(asyncio.create_task(load.shake_hands()))
        try:
            for _ in range(ROLLOVERS):
                await roll_over(kubeconfig)
        finally:
            for task in working:
                task.cancel()
            results = await asyncio.gather(*working, return_exceptions=True)
        replicas = (await status(kubeconfig))["rollover"]["replicas"]
    assert [result for result in results if not isinstance(result, asyncio.CancelledError)] == []
    assert load.refused == []
    assert load.created >= 300
    assert load.handshakes >= 30
    assert [replica["serves_from_signing_ca"] for replica in replicas] == [True, True]
