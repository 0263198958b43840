from __future__ import annotations

import asyncio
import dataclasses
import json
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from lab.commandlines import ControlPlaneSettings
from lab.controlplane import ControlPlane
from lab.toolchain import Programs
from model.errors import LabError
from tests.conftest import namespace_name
from tests.lab.ending import ended, running_with

pytestmark = pytest.mark.controlplane


def pod(name: str, scheduler: str) -> str:
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name},
            "spec": {
                "schedulerName": scheduler,
                "tolerations": [{"operator": "Exists"}],
                "containers": [{"name": "main", "image": "registry.example/agent:1"}],
            },
        }
    )


def node(name: str) -> str:
    capacity = {"cpu": "8", "memory": "16Gi", "pods": "100"}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name},
            "status": {"allocatable": capacity, "capacity": capacity},
        }
    )


async def test_every_program_reports_the_version_the_lab_is_made_for(control_plane: ControlPlane) -> None:
    version = json.loads(await control_plane.kubectl("version", "--output=json"))
    assert (version["serverVersion"]["gitVersion"], version["clientVersion"]["gitVersion"]) == ("v1.36.3", "v1.36.3")


async def test_a_scheduler_binds_the_pods_that_name_it(control_plane: ControlPlane) -> None:
    namespace = namespace_name()
    await control_plane.kubectl("create", "namespace", namespace)
    await control_plane.kubectl("create", "-f", "-", stdin=node(f"{namespace}-node"))
    await control_plane.kubectl("wait", "--for=create", f"--namespace={namespace}", "serviceaccount/default")
    configuration = {"profiles": [{"schedulerName": namespace}]}
    scheduler = await control_plane.start_scheduler(f"scheduler-{namespace}", configuration)
    try:
        await control_plane.kubectl("create", f"--namespace={namespace}", "-f", "-", stdin=pod("tenant", namespace))
        scheduled = ("wait", "--for=condition=PodScheduled", f"--namespace={namespace}", "pod/tenant", "--timeout=30s")
        assert "condition met" in await control_plane.kubectl(*scheduled)
    finally:
        await scheduler.stop()
        await control_plane.kubectl("delete", "namespace", namespace, "--wait=false")
        await control_plane.kubectl("delete", "node", f"{namespace}-node")


async def test_two_schedulers_of_one_name_cannot_run_at_once(control_plane: ControlPlane) -> None:
    scheduler = await control_plane.start_scheduler("scheduler-twice", {})
    with pytest.raises(LabError, match="runs already"):
        await control_plane.start_scheduler("scheduler-twice", {})
    await scheduler.stop()


async def test_a_scheduler_that_does_not_understand_its_configuration_says_so(control_plane: ControlPlane) -> None:
    with pytest.raises(LabError, match="noSuchField"):
        await control_plane.start_scheduler("scheduler-bad", {"noSuchField": 1})


async def test_a_kubeconfig_for_a_user_and_groups_authenticates_as_them(control_plane: ControlPlane) -> None:
    kubeconfig = control_plane.kubeconfig_for("alice", ["tenants", "auditors"])
    answer = await control_plane.kubectl(f"--kubeconfig={kubeconfig}", "auth", "whoami", "--output=json")
    user = json.loads(answer)["status"]["userInfo"]
    assert (user["username"], user["groups"]) == ("alice", ["tenants", "auditors", "system:authenticated"])


async def test_a_user_without_a_role_may_do_nothing(control_plane: ControlPlane) -> None:
    kubeconfig = control_plane.kubeconfig_for("mallory")
    with pytest.raises(LabError, match="Forbidden"):
        await control_plane.kubectl(f"--kubeconfig={kubeconfig}", "get", "nodes")


async def test_a_requested_token_authenticates_as_its_service_account(control_plane: ControlPlane) -> None:
    namespace = namespace_name()
    await control_plane.kubectl("create", "namespace", namespace)
    await control_plane.kubectl("create", f"--namespace={namespace}", "serviceaccount", "reader")
    token = await control_plane.kubectl("create", f"--namespace={namespace}", "token", "reader")
    kubeconfig = control_plane.kubeconfig_for_token(token.strip(), f"{namespace}/reader")
    answer = await control_plane.kubectl(f"--kubeconfig={kubeconfig}", "auth", "whoami", "--output=json")
    assert json.loads(answer)["status"]["userInfo"]["username"] == f"system:serviceaccount:{namespace}:reader"


async def test_kubeconfigs_are_readable_for_their_owner_alone(control_plane: ControlPlane) -> None:
    assert control_plane.admin_kubeconfig.stat().st_mode & 0o077 == 0


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bare(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ControlPlane]:
    """A control plane that tests may break: etcd and kube-apiserver alone."""
    directory: Path = tmp_path_factory.mktemp("bare")
    running = await ControlPlane.up(directory, programs, ControlPlaneSettings(controller_manager=False))
    yield running
    await running.down()


async def test_the_api_keeps_its_address_and_objects_when_everything_was_killed(bare: ControlPlane) -> None:
    await bare.kubectl("create", "namespace", "kept")
    await bare.apiserver.kill()
    await bare.etcd.kill()
    await bare.etcd.start()
    await bare.apiserver.start()
    assert "kept" in await bare.kubectl("get", "namespace", "kept")


async def test_without_a_controller_manager_pods_need_no_service_account(bare: ControlPlane) -> None:
    assert bare.controller_manager is None
    assert "created" in await bare.kubectl("create", "-f", "-", stdin=pod("alone", "nobody"))


async def test_an_exception_leaves_no_process_and_no_directory(programs: Programs) -> None:
    settings = ControlPlaneSettings(controller_manager=False)
    seen: list[ControlPlane] = []

    async def fail_inside() -> None:
        async with ControlPlane.start(programs, settings) as own:
            seen.append(own)
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        await fail_inside()
    directory = seen[0].directory
    assert (directory.exists(), running_with(str(directory))) == (False, [])


async def test_a_program_that_cannot_start_ends_the_ones_before_it(programs: Programs, tmp_path: Path) -> None:
    broken = Programs(
        programs.etcd, Path("/bin/false"), programs.kube_scheduler, programs.kube_controller_manager, programs.kubectl
    )
    with pytest.raises(LabError, match="kube-apiserver ended with status 1"):
        await ControlPlane.up(tmp_path, broken)
    assert running_with(str(tmp_path)) == []


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
async def test_a_signal_stops_everything_and_removes_the_directory(
    programs: Programs, number: signal.Signals, status: int
) -> None:
    holder, directory = await hold(programs)
    before = running_with(str(directory))
    holder.send_signal(number)
    assert await holder.wait() == status
    assert (len(before), running_with(str(directory)), directory.exists()) == (2, [], False)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child together with its parent")
async def test_nothing_runs_on_when_its_owner_is_killed(programs: Programs) -> None:
    holder, directory = await hold(programs)
    pids = [int(process.name) for process in running_with(str(directory))]
    holder.kill()
    await holder.wait()
    shutil.rmtree(directory)
    assert (len(pids), ended(*pids)) == (2, True)


async def hold(programs: Programs) -> tuple[asyncio.subprocess.Process, Path]:
    """A process that holds a control plane without kube-controller-manager, and the control plane's directory."""
    paths = [getattr(programs, field.name) for field in dataclasses.fields(programs)]
    holder = await asyncio.create_subprocess_exec(
        sys.executable, Path(__file__).with_name("holder.py"), *paths, stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    directory = (await holder.stdout.readline()).decode().strip()
    assert directory, "the holder has ended before it held anything; its standard error says why"
    return holder, Path(directory)
