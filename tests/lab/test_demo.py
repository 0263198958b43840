"""The demonstration, whole: its built-in pods, then a user's, on one stage that then ends by an error."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
import yaml

from lab.constants import Constants
from lab.demo import Demo, Run
from lab.fleets import NodeGroup
from lab.outcomes import PLAIN, STOKER, Outcome
from lab.presentation import write_report
from lab.scene import sample_profile
from lab.stage import Stage
from lab.toolchain import Programs
from lab.workload import Workload, built_in, from_file
from model.forecast import TERM_NAMES
from model.quantities import milli_cpus
from tests.builders import DIGEST, container, pod
from tests.cli.command import until
from tests.lab.ending import running_with
from tests.lab.installed import Metrics, is_ready, scrape

pytestmark = pytest.mark.controlplane

WAIT_SECONDS: Final = 120.0
"""Modelled seconds; what plain kube-scheduler put on nodes without Kata would not be ready later either."""

S: Final = {"p50_seconds", "p95_seconds", "p99_seconds", "failed_sandboxes", "pending"}
P: Final = {"mode", "namespace", "name", "tenant", "node", "architecture", "warm", "mutations", "forecast"} | {
    "ready_seconds",
    "failed_sandboxes",
}


@dataclass(slots=True)
class Performance:
    """What both demonstrations brought, and how many processes the stage had while it stood."""

    built_in: list[Run] = field(default_factory=list)
    users: list[Run] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    directory: Path = Path()
    processes: int = 0
    watch_restarts: tuple[float, float] = 0.0, 0.0
    """Those that the extender had counted before and after a restart of the API server."""


class Interruption(Exception):
    """What ends the stage."""


def namespace(name: str, profile: str) -> dict[str, Any]:
    metadata = {"name": name, "labels": {"stoker.dev/profile": profile}}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def in_namespace(name: str, manifest: dict[str, Any]) -> dict[str, Any]:
    return {**manifest, "metadata": {**manifest["metadata"], "namespace": name}}


def users_pods(path: Path, constants: Constants) -> Workload:
    """Two tenants, a namespace without profile, one with a profile that does not exist, and one without a manifest."""
    image = constants.images[constants.demo.load.tenant.image].reference
    known = container(image=image, imagePullPolicy=None)
    strange = container(image="registry.example/team/strange:v9", imagePullPolicy=None)
    by_digest = container(image=f"{image.rpartition(':')[0]}@{DIGEST}", imagePullPolicy="Always")
    generated = pod("", known, namespace="blue")
    generated["metadata"] = {"generateName": "generated-", "namespace": "blue"}
    homeless = pod("homeless", known)
    del homeless["metadata"]["namespace"]
    listed = [pod("listed-0", known, namespace="red"), pod("listed-1", known, namespace="red")]
    documents = [
        namespace("red", "kata-agents"),
        namespace("blue", "kata-agents"),
        namespace("ghosts", "nobodys"),
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "free"}},
        {"apiVersion": "v1", "kind": "List", "items": listed},
        generated,
        homeless,
        pod("placed", known, namespace="red", nodeName="warm-1"),
        pod("digested", by_digest, namespace="blue"),
        pod("strange", strange, namespace="red"),
        pod("ghost", known, namespace="ghosts"),
        pod("web", known, namespace="free"),
        pod("unannounced", known, namespace="elsewhere"),
    ]
    path.write_text(yaml.safe_dump_all(documents), encoding="utf-8")
    return from_file(path, sample_profile(constants)["metadata"]["name"])


async def restart_the_api_server(stage: Stage) -> tuple[float, float]:
    """The watches that the extender has had to resume, before that and after it."""

    async def restarts() -> float:
        return Metrics(await scrape(stage.extender)).value("stoker_watch_restarts_total")

    before, apiserver = await restarts(), stage.control_plane.apiserver
    await apiserver.kill()
    await apiserver.start()

    async def resumed() -> float | None:
        after = await restarts()
        return after if after > before and await is_ready(stage.extender) else None

    return before, await until(resumed, seconds=60)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def performance(
    programs: Programs, constants: Constants, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Performance]:
    file, found = tmp_path_factory.mktemp("demo") / "pods.yaml", Performance()
    workload = built_in(constants, sample_profile(constants)["metadata"]["name"])

    async def perform() -> None:
        async with Stage.start(programs, constants.demo.speed or constants.speed) as stage:
            found.built_in = await Demo(stage, constants, workload, wait_seconds=WAIT_SECONDS).run()
            found.versions = await stage.versions()
            found.users = await Demo(stage, constants, users_pods(file, constants), wait_seconds=WAIT_SECONDS).run()
            found.directory = stage.control_plane.directory
            found.processes = len(running_with(str(found.directory)))
            found.watch_restarts = await restart_the_api_server(stage)
            raise Interruption

    with pytest.raises(Interruption):
        await perform()
    yield found


def of(runs: list[Run], mode: str, *, tenant: bool) -> list[Outcome]:
    return [item for run in runs if run.mode == mode for item in run.outcomes if item.tenant == tenant]


def room(group: NodeGroup, constants: Constants) -> int:
    """How many of the tenant's pods fit the group, kata-deploy's own pods left out: they ask for nothing."""
    a_pod = milli_cpus(constants.demo.load.tenant.cpu) + milli_cpus(constants.kata.overhead_cpu)
    return int(group.count * (milli_cpus(group.cpu) // a_pod))


def test_every_pod_that_warm_amd64_nodes_have_room_for_is_on_one(
    performance: Performance, constants: Constants
) -> None:
    groups = [g for g in constants.demo.fleet if g.architecture == "amd64" and g.images is None]
    space = sum(room(group, constants) for group in groups if group.state in ("warm", "truncated"))
    pods = of(performance.built_in, STOKER, tenant=True)
    there = [item for item in pods if item.warm and item.architecture == "amd64"]
    assert len(there) >= min(len(pods), space)


def test_no_tenants_pod_met_a_node_that_was_settling_or_without_the_handler(performance: Performance) -> None:
    found = {item.name: item.cold_reasons for item in of(performance.built_in, STOKER, tenant=True)}
    assert len(found) == 40
    assert {name: why for name, why in found.items() if {"settling", "handler-missing"} & set(why)} == {}


def test_with_stoker_no_sandbox_failed_and_every_pod_is_ready(performance: Performance) -> None:
    pods = of(performance.built_in, STOKER, tenant=True)
    assert [item.name for item in pods if item.failed_sandboxes or item.ready_seconds is None] == []


def test_plain_kube_scheduler_meets_the_cold_nodes_that_stoker_avoids(performance: Performance) -> None:
    reasons = {reason for item in of(performance.built_in, PLAIN, tenant=True) for reason in item.cold_reasons}
    assert "handler-missing" in reasons


def test_every_tenants_pod_has_a_forecast_whose_terms_make_its_seconds(performance: Performance) -> None:
    for item in of(performance.built_in, STOKER, tenant=True):
        assert item.forecast is not None, item.name
        assert tuple(item.forecast["terms"]) == TERM_NAMES
        assert item.forecast["seconds"] == pytest.approx(sum(item.forecast["terms"].values()), abs=0.5)


def test_every_tenants_pod_lists_what_the_webhook_changed(performance: Performance) -> None:
    expected = {
        "metadata.annotations",
        "spec.schedulerName",
        "spec.tolerations",
        "spec.affinity",
        "spec.containers[0].imagePullPolicy",
        "spec.initContainers[0].imagePullPolicy",
    }
    for item in of(performance.built_in, STOKER, tenant=True):
        assert set(item.mutations) >= expected, item.name


def test_others_pods_are_stored_as_without_stoker(performance: Performance) -> None:
    others = of(performance.built_in, STOKER, tenant=False)
    assert [(item.mutations, item.forecast) for item in others] == [((), None)] * 10


def test_the_report_is_json_in_its_promised_shape(performance: Performance, tmp_path: Path) -> None:
    write_report(performance.built_in, performance.versions, tmp_path / "report.json")
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["kubernetes"] == {"apiserver": "v1.36.3", "scheduler": "v1.36.3"}
    assert {mode: set(summary) for mode, summary in report["modes"].items()} == {PLAIN: S, STOKER: S}
    assert all(item.keys() >= P for item in report["pods"])
    assert [item["mode"] for item in report["pods"]] == [PLAIN] * 50 + [STOKER] * 50
    assert report["modes"][STOKER]["pending"] == 0


def test_with_stoker_the_slowest_pods_are_ready_sooner(performance: Performance, tmp_path: Path) -> None:
    write_report(performance.built_in, performance.versions, tmp_path / "report.json")
    modes = json.loads((tmp_path / "report.json").read_text())["modes"]
    assert modes[STOKER]["p95_seconds"] < modes[PLAIN]["p95_seconds"]


def users(performance: Performance, mode: str = STOKER) -> dict[str, Outcome]:
    """By name; a generated one by its beginning."""
    outcomes = [item for run in performance.users if run.mode == mode for item in run.outcomes]
    return {"generated" if item.name.startswith("generated-") else item.name: item for item in outcomes}


def test_a_users_tenants_are_those_whose_namespaces_name_a_profile(performance: Performance) -> None:
    tenants = {name for name, item in users(performance).items() if item.tenant}
    assert tenants == {"listed-0", "listed-1", "generated", "homeless", "placed", "digested", "strange", "ghost"}


def test_a_users_pods_are_placed_and_ready(performance: Performance) -> None:
    assert [name for name, item in users(performance, PLAIN).items() if item.node is None] == []
    found = users(performance)
    assert [name for name, item in found.items() if item.ready_seconds is None and not item.refused] == []


def test_a_users_pods_get_forecasts_unless_they_chose_their_node(performance: Performance) -> None:
    found = {name: item for name, item in users(performance).items() if item.tenant and not item.refused}
    assert {name for name, item in found.items() if item.forecast is None} == {"placed"}
    assert found["placed"].node == "warm-1"


def test_a_pod_without_a_class_gets_the_profiles(performance: Performance) -> None:
    mutations = users(performance)["listed-0"].mutations
    assert {"spec.runtimeClassName", "spec.overhead"} <= set(mutations)


def test_a_pod_whose_image_is_on_no_node_pays_for_its_pull(performance: Performance) -> None:
    found = users(performance)
    for name in ("strange", "digested"):
        assert found[name].cold_reasons == ("image-missing",)
        assert (found[name].forecast or {})["terms"]["pull"] > 0


def test_a_pod_of_an_unknown_profile_is_refused_and_the_report_says_so(
    performance: Performance, tmp_path: Path
) -> None:
    write_report(performance.users, performance.versions, tmp_path / "report.json")
    report = json.loads((tmp_path / "report.json").read_text())
    ghosts = {item["mode"]: item for item in report["pods"] if item["name"] == "ghost"}
    assert ghosts[PLAIN]["refused"] is None
    assert "TenantProfile 'nobodys'" in ghosts[STOKER]["refused"]
    assert report["modes"][STOKER]["pending"] == 0


def test_watches_are_resumed_and_counted_when_the_api_server_comes_back(performance: Performance) -> None:
    before, after = performance.watch_restarts
    assert after > before


def test_nothing_is_left_running_when_the_stage_ends_by_an_error(performance: Performance) -> None:
    assert performance.processes >= 8
    assert (running_with(str(performance.directory)), performance.directory.exists()) == ([], False)
