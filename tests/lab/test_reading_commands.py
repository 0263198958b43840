"""`stoker explain` and `stoker nodes` against a running cluster, as a user calls them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
import yaml

from model.forecast import TERM_NAMES
from tests.cli.command import Ended, stoker
from tests.lab.installed import NODES, SCORED, WARM, Installation

pytestmark = pytest.mark.controlplane

READERS: dict[str, Callable[[str], Any]] = {"json": json.loads, "yaml": yaml.safe_load}
FORMS = (*READERS, "table", "wide")


@dataclass(frozen=True, slots=True)
class Answers:
    """What both commands print in each form while one tenant's pod stands where it was placed."""

    pod: str
    node: str
    explain: dict[str, str]
    nodes: dict[str, str]

    @property
    def forecasts(self) -> dict[str, dict[str, Any]]:
        return {row["node"]: row for row in json.loads(self.explain["json"])["nodes"]}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def answers(installation: Installation) -> Answers:
    created = await installation.create(await installation.tenant(), installation.manifest())
    node = (await installation.forecast_of(created))["node"]
    pod = f"{created['metadata']['namespace']}/{created['metadata']['name']}"

    async def printed(*words: str) -> dict[str, str]:
        ended = await asyncio.gather(*(run(installation, *words, "-o", form) for form in FORMS))
        assert [(item.status, item.complaint) for item in ended] == [(0, "")] * len(FORMS)
        return {form: item.output for form, item in zip(FORMS, ended, strict=True)}

    return Answers(pod, node, await printed("explain", pod), await printed("nodes"))


async def run(installation: Installation, *words: str) -> Ended:
    """The command, as cluster administrator, with the lab's clock."""
    access = ("--kubeconfig", str(installation.stage.control_plane.admin_kubeconfig))
    return await stoker(*words, *access, "--time-scale", str(installation.stage.speed))


def cells(text: str, first: str) -> list[str]:
    """The words of the table's line that begins so."""
    return next(line.split() for line in text.splitlines() if line.startswith(f"{first} "))


@pytest.mark.parametrize("form", READERS)
def test_explain_has_the_same_members_as_json_and_yaml(answers: Answers, form: str) -> None:
    answer = READERS[form](answers.explain[form])
    assert answer["pod"] | {"phase": None} == {
        "namespace": answers.pod.split("/")[0],
        "name": answers.pod.split("/")[1],
        "phase": None,
        "node": answers.node,
    }
    assert answer["profile"] == SCORED
    assert {row["node"] for row in answer["nodes"]} == NODES


def test_explain_tells_every_nodes_forecast_term_by_term(answers: Answers) -> None:
    rows = answers.forecasts
    assert all(tuple(row["terms"]) == TERM_NAMES for row in rows.values())
    possible = [row for row in rows.values() if row["seconds"] is not None]
    assert len(possible) == len(NODES) - 1
    assert all(row["seconds"] == pytest.approx(sum(row["terms"].values()), abs=0.5) for row in possible)
    assert rows["no-image-1"]["terms"]["pull"] > 0
    assert rows["arm-1"]["terms"]["application"] > rows[answers.node]["terms"]["application"]


def test_explain_says_why_a_node_can_never_run_the_pod_and_puts_it_last(answers: Answers) -> None:
    row = answers.forecasts["no-kata-1"]
    assert (row["seconds"], row["score"]) == (None, 0)
    assert row["why"]
    assert list(answers.forecasts)[-1] == "no-kata-1"


def test_explain_tells_what_the_scheduler_did(answers: Answers) -> None:
    scheduler = json.loads(answers.explain["json"])["scheduler"]
    assert (scheduler["name"], scheduler["condition"]) == ("stoker-scheduler", "PodScheduled=True")
    assert scheduler["forecast_at_placement"]["node"] == answers.node
    assert {event["reason"] for event in scheduler["events"]} >= {"Scheduled", "Forecast"}


def test_explain_as_a_table_reads_from_pod_to_scheduler(answers: Answers) -> None:
    lines = answers.explain["table"].splitlines()
    assert lines[0].startswith(f"Pod {answers.pod}: ")
    assert lines[0].endswith(f"on node {answers.node}; profile {SCORED}")
    assert {"SCORE", "SECONDS", "WHY", *(name.upper() for name in TERM_NAMES)} <= set(
        cells(answers.explain["table"], "NODE")
    )
    assert {line.split()[0] for line in lines if line.split()} >= NODES
    assert any("Scheduled: Successfully assigned" in line and line.endswith(f"to {answers.node}") for line in lines)


def test_explain_wide_has_the_architecture_too(answers: Answers) -> None:
    assert "ARCH" in cells(answers.explain["wide"], "NODE")
    assert "arm64" in cells(answers.explain["wide"], "arm-1")


async def test_explain_of_anothers_pod_says_that_it_is_no_tenants(installation: Installation) -> None:
    created = await installation.create(await installation.namespace(None), installation.manifest())
    await installation.node_of(created)
    ended = await run(installation, "explain", "agent", "-n", created["metadata"]["namespace"])
    assert ended.status == 0
    assert "not a tenant's pod for Stoker: it has no annotation stoker.dev/profile" in ended.output


@pytest.mark.parametrize(
    ("pod", "complaint"),
    [
        ("nowhere/nobody", "stoker: there is no pod 'nobody' in namespace 'nowhere'"),
        ("a/b/c", "stoker: 'a/b/c' is not a pod; write NAME or NAMESPACE/NAME"),
    ],
)
async def test_explain_of_no_pod_ends_with_one_sentence(installation: Installation, pod: str, complaint: str) -> None:
    ended = await run(installation, "explain", pod)
    assert (ended.status, ended.output, ended.complaint) == (1, "", f"{complaint}\n")


@pytest.mark.parametrize("form", READERS)
def test_nodes_tells_what_each_node_lacks(installation: Installation, answers: Answers, form: str) -> None:
    rows = {row["node"]: row for row in READERS[form](answers.nodes[form]) if row["profile"] == SCORED}
    image = installation.constants.images[installation.constants.demo.load.tenant.image].reference
    assert rows.keys() == NODES
    assert all(row["ready"] for row in rows.values())
    assert (rows["warm-2"]["warm"], rows["warm-2"]["missing"], rows["arm-1"]["warm"]) == (True, [], True)
    assert [image in text for text in rows["no-image-1"]["missing"]] == [True]
    assert rows["no-kata-1"]["warm"] is False
    assert "handler" in rows["no-kata-1"]["missing"][0]


def test_nodes_as_a_table_has_a_row_for_every_node(answers: Answers) -> None:
    heading = ["NODE", "ARCH", "READY", "PROFILE", "WARM", "MISSING", "STARTING"]
    assert cells(answers.nodes["table"], "NODE") == heading
    ours = [line.split() for line in answers.nodes["table"].splitlines() if SCORED in line.split()]
    warm = {*WARM, "arm-1"}
    assert {words[0]: words[4] for words in ours} == {node: "yes" if node in warm else "no" for node in NODES}


def test_nodes_wide_shows_images_and_handlers(installation: Installation, answers: Answers) -> None:
    assert cells(answers.nodes["wide"], "NODE")[-2:] == ["IMAGES", "HANDLERS"]
    line = next(line for line in answers.nodes["wide"].splitlines() if line.startswith("warm-2"))
    assert all(handler in line for handler in installation.constants.kata.handlers)
