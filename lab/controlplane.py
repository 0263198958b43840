"""A real control plane on this machine: etcd, kube-apiserver, kube-controller-manager, any number of kube-schedulers.

    async with ControlPlane.start(programs) as control_plane:
        await control_plane.start_scheduler("default-scheduler", {})
        await control_plane.kubectl("get", "namespaces")

Each program is a `Process` with a fixed port and lasting data, so that tests can stop, kill and start it again.
"""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from lab import commandlines
from lab.commandlines import LOOPBACK, ApiServerFiles, ClientFiles, ControlPlaneSettings
from lab.credentials import APISERVER_IDENTITIES, Credentials
from lab.directories import working_directory
from lab.processes import Check, Process, start_on_free_ports
from lab.toolchain import Programs
from model.errors import LabError

ADMIN_GROUPS = ("system:masters",)
CHECK_SECONDS = 2.0


class ControlPlane:
    """Made by `start` (which also ends it) or `up` and `down`; `directory` holds its data, logs and kubeconfigs."""

    etcd: Process
    etcd_url: str
    apiserver: Process
    controller_manager: Process | None
    """None where the settings leave it out."""
    server_url: str
    admin_kubeconfig: Path

    def __init__(self, directory: Path, programs: Programs, settings: ControlPlaneSettings) -> None:
        self.directory = directory
        self.programs = programs
        self.settings = settings
        self.schedulers: dict[str, Process] = {}
        self.controller_manager = None
        self._credentials = Credentials(directory / "credentials", now=datetime.now(UTC))
        self._tls = ssl.create_default_context(cadata=self.ca_pem.decode())
        self._started: list[Process] = []

    @classmethod
    @asynccontextmanager
    async def start(
        cls, programs: Programs, settings: ControlPlaneSettings | None = None
    ) -> AsyncIterator[ControlPlane]:
        """A control plane in a temporary directory: both are gone at the end, also after SIGTERM (then SystemExit)."""
        with _ended_by_sigterm(), working_directory() as directory:
            control_plane = await cls.up(directory, programs, settings)
            try:
                yield control_plane
            finally:
                await control_plane.down()

    @classmethod
    async def up(
        cls, directory: Path, programs: Programs, settings: ControlPlaneSettings | None = None
    ) -> ControlPlane:
        """Start all but schedulers in an empty or new `directory`. The caller owes a `down`, and keeps the directory.

        LabError with the end of a log where a program does not become ready; nothing is left running then.
        """
        control_plane = cls(directory, programs, settings or ControlPlaneSettings())
        try:
            await control_plane._start_etcd()
            await control_plane._start_apiserver()
            if control_plane.settings.controller_manager:
                await control_plane._start_controller_manager()
        except BaseException:
            await control_plane.down()
            raise
        return control_plane

    async def down(self) -> None:
        """Stop everything, what was started last first, so that nothing waits for what is gone already."""
        clients, servers = self._started[2:], self._started[:2]
        await asyncio.gather(*(process.stop() for process in clients))
        for process in reversed(servers):
            await process.stop()

    @property
    def ca_pem(self) -> bytes:
        """The authority behind every serving certificate of this control plane."""
        return self._credentials.ca_pem

    @property
    def audit_log(self) -> Path:
        """Written where the settings name groups to be audited."""
        return self.directory / "logs" / "audit.log"

    def kubeconfig_for(self, user: str, groups: Sequence[str] = ()) -> Path:
        """A kubeconfig with a client certificate; RBAC decides what the user and the groups may do."""
        return self._credentials.client_kubeconfig(self.server_url, user, groups)

    def kubeconfig_for_token(self, token: str, name: str) -> Path:
        """A kubeconfig with a bearer token, such as a TokenRequest for a service account answers."""
        return self._credentials.token_kubeconfig(self.server_url, token, name)

    async def start_scheduler(self, name: str, configuration: Mapping[str, Any]) -> Process:
        """A kube-scheduler with this KubeSchedulerConfiguration (see `scheduler_configuration` for what is added).

        `name` is that of the process; which pods it takes is said by the profiles in the configuration. It returns when
        the scheduler has synced and schedules. A scheduler of that name that has ended is replaced.
        """
        if name in self.schedulers and self.schedulers[name].running:
            raise LabError(f"a scheduler {name} runs already; stop it or choose another name")
        files = self._client_files("system:kube-scheduler", name)
        path = self.directory / f"{name}.yaml"
        path.write_text(yaml.safe_dump(commandlines.scheduler_configuration(configuration, files.kubeconfig)))

        def build(ports: Sequence[int]) -> Process:
            command = commandlines.scheduler(
                self.programs.kube_scheduler, ports[0], files, path, self.settings.verbosity
            )
            return self._process(name, command, f"https://{LOOPBACK}:{ports[0]}/readyz")

        self.schedulers[name] = await self._start(1, build)
        return self.schedulers[name]

    async def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """What kubectl prints, as cluster administrator; LabError with what it complained of where it failed."""
        child = await asyncio.create_subprocess_exec(
            self.programs.kubectl,
            f"--kubeconfig={self.admin_kubeconfig}",
            f"--cache-dir={self.directory / 'kubectl-cache'}",
            *arguments,
            stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | {"KUBERC": "off"},  # the user's own defaults for kubectl are not meant for the lab
        )
        try:
            output, complaint = await child.communicate(None if stdin is None else stdin.encode())
        finally:
            if child.returncode is None:
                child.kill()
        if child.returncode != 0:
            raise LabError(f"kubectl {' '.join(arguments)} failed: {complaint.decode(errors='replace').strip()}")
        return output.decode()

    async def _start_etcd(self) -> None:
        def build(ports: Sequence[int]) -> Process:
            self.etcd_url = f"http://{LOOPBACK}:{ports[0]}"
            command = commandlines.etcd(self.programs.etcd, self.directory / "etcd", ports[0], ports[1])
            return self._process("etcd", command, f"{self.etcd_url}/readyz")

        self.etcd = await self._start(2, build)

    async def _start_apiserver(self) -> None:
        self._files = ApiServerFiles(
            client_ca=self._credentials.ca_file,
            serving=self._credentials.serving_files("kube-apiserver", APISERVER_IDENTITIES),
            service_accounts=self._credentials.serving_files("service-accounts", ()),
            audit_policy=self._write_audit_policy(),
            audit_log=self.audit_log,
        )

        def build(ports: Sequence[int]) -> Process:
            self.server_url = f"https://{LOOPBACK}:{ports[0]}"
            command = commandlines.apiserver(
                self.programs.kube_apiserver, self.etcd_url, ports[0], self._files, self.settings
            )
            return self._process("kube-apiserver", command, f"{self.server_url}/readyz")

        self.apiserver = await self._start(1, build)
        self.admin_kubeconfig = self.kubeconfig_for("kubernetes-admin", ADMIN_GROUPS)

    def _write_audit_policy(self) -> Path | None:
        if not self.settings.audited_groups:
            return None
        path = self.directory / "audit-policy.yaml"
        path.write_text(yaml.safe_dump(commandlines.audit_policy(self.settings.audited_groups)))
        return path

    async def _start_controller_manager(self) -> None:
        files = self._client_files("system:kube-controller-manager", "kube-controller-manager")

        def build(ports: Sequence[int]) -> Process:
            command = commandlines.controller_manager(
                self.programs.kube_controller_manager, ports[0], files, self._files, self.settings
            )
            return self._process("kube-controller-manager", command, f"https://{LOOPBACK}:{ports[0]}/healthz")

        self.controller_manager = await self._start(1, build)

    def _client_files(self, user: str, program: str) -> ClientFiles:
        return ClientFiles(self.kubeconfig_for(user), self._credentials.serving_files(program))

    async def _start(self, ports: int, build: Callable[[Sequence[int]], Process]) -> Process:
        process = await start_on_free_ports(ports, build)
        self._started.append(process)
        return process

    def _process(self, name: str, command: Sequence[str], readiness_url: str) -> Process:
        return Process(
            name,
            command,
            log=self.directory / "logs" / f"{name}.log",
            check=answers_ok(readiness_url, self._tls),
            deadline_seconds=self.settings.ready_seconds,
            environment=commandlines.ENVIRONMENT,
        )


def answers_ok(url: str, tls: ssl.SSLContext | None = None) -> Check:
    """A check that asks `url` once and wants a 200; `tls` for https."""

    async def check() -> bool:
        timeout = aiohttp.ClientTimeout(total=CHECK_SECONDS)
        try:
            async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url, ssl=tls or True) as response:
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    return check


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM cancel the current task, so that its clean-up runs, and end as SystemExit.

    Only where nobody has decided about SIGTERM, and only in the main thread, the one that gets signals.
    """
    main_thread = threading.current_thread() is threading.main_thread()
    if not main_thread or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    received = False

    def cancel() -> None:
        nonlocal received
        received = True
        if task is not None:
            task.cancel()

    loop.add_signal_handler(signal.SIGTERM, cancel)
    try:
        yield
    except asyncio.CancelledError:
        if received:
            raise SystemExit(128 + signal.SIGTERM) from None
        raise
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
