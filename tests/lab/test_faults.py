"""The short form of every fault, on real control planes: each does what it says, and Stoker holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from benchmarks.faults import admission, machine, scheduling, slowness, watching
from benchmarks.faults.findings import Finding, Result, Skipped, line
from benchmarks.faults.setting import Family, Setting
from benchmarks.faults.suite import try_out
from lab.constants import Constants
from lab.toolchain import Programs

pytestmark = pytest.mark.controlplane

FAMILIES: Mapping[str, Family] = {
    "admission": admission.FAMILY,
    "watching": watching.FAMILY,
    "scheduling": scheduling.FAMILY,
    "machine": machine.FAMILY,
}


async def tried(family: Family, programs: Programs, constants: Constants, directory: Path) -> dict[str, Result]:
    """Every fault of the family in its short form."""
    found: list[Result] = []
    setting = Setting(programs, constants, directory, lambda _: None, short=True)
    await try_out(family, list(family.faults), setting, found.append)
    return {item.name: item for item in found}


@pytest.mark.parametrize("name", FAMILIES)
async def test_stoker_holds_under_every_fault_of_the_family(
    name: str, programs: Programs, constants: Constants, tmp_path: Path
) -> None:
    found = await tried(FAMILIES[name], programs, constants, tmp_path)
    assert list(found) == list(FAMILIES[name].faults)
    assert [line(item) for item in found.values() if isinstance(item, Finding) and not item.held] == []
    assert all(item.requests > 0 for item in found.values() if isinstance(item, Finding))
    if skipped := [line(item) for item in found.values() if isinstance(item, Skipped)]:
        pytest.skip("; ".join(skipped))


async def test_slow_clients_are_borne_by_webhook_and_extender(
    programs: Programs, constants: Constants, tmp_path: Path
) -> None:
    """How long honest requests take is not judged here: a machine that runs tests is busy with others, too."""
    found = await tried(slowness.FAMILY, programs, constants, tmp_path)
    findings = [item for item in found.values() if isinstance(item, Finding)]
    assert [item.name for item in findings] == list(slowness.FAMILY.faults)
    assert all(item.requests > 100 and item.details["slow_clients"] == 100 for item in findings)
