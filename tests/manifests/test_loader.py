from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from cli.manifests import app
from lab.controlplane import ControlPlane
from manifests.crd import tenant_profile_crd_yaml
from manifests.loader import BUNDLES, ROOT, load, paths
from model.errors import InvalidInput
from model.names import NAMESPACE


def identity(manifest: dict[str, Any]) -> tuple[str, str, str]:
    metadata = manifest["metadata"]
    return manifest["kind"], metadata.get("namespace", ""), metadata["name"]


def patch_paths(bundle: str) -> list[Path]:
    kustomization = yaml.safe_load((ROOT / bundle / "kustomization.yaml").read_text())
    return [ROOT / bundle / patch["path"] for patch in kustomization.get("patches", [])]


@pytest.mark.parametrize("bundle", BUNDLES)
def test_no_object_occurs_twice(bundle: str) -> None:
    identities = [identity(manifest) for manifest in load(bundle)]
    assert len(set(identities)) == len(identities) > 0


def test_the_default_is_the_base_and_the_scheduler() -> None:
    assert load("default") == load("base") + load("scheduler")


def test_every_file_belongs_to_a_bundle() -> None:
    listed = {path for bundle in BUNDLES for path in (*paths(bundle), *patch_paths(bundle))}
    read_by_prometheus = ROOT / "alerts"
    shipped = {path for path in ROOT.rglob("*.yaml") if path.name != "kustomization.yaml"}
    assert listed == {path for path in shipped if path.parent != read_by_prometheus}


def test_an_unknown_bundle_is_refused_with_those_there_are() -> None:
    with pytest.raises(
        InvalidInput, match="no manifests 'bas'; there are default, base, scheduler, samples, cert-manager"
    ):
        load("bas")


def test_what_is_loaded_is_the_callers_own() -> None:
    load("base")[0]["metadata"]["name"] = "spoilt"
    assert load("base")[0]["metadata"]["name"] == NAMESPACE


@pytest.mark.parametrize("bundle", BUNDLES)
def test_the_command_prints_every_object_of_a_bundle(bundle: str) -> None:
    result = CliRunner().invoke(app, ["show", bundle])
    assert list(yaml.safe_load_all(result.stdout)) == load(bundle)


def test_the_generated_crd_is_the_one_that_is_shipped() -> None:
    shipped = (ROOT / "base" / "tenantprofiles.yaml").read_text()
    assert shipped == tenant_profile_crd_yaml(), "run `make manifests`"
    assert CliRunner().invoke(app, ["crd"]).stdout == shipped


@pytest.mark.controlplane
@pytest.mark.parametrize("bundle", BUNDLES)
async def test_kustomize_makes_of_a_bundle_what_the_loader_makes(installed: ControlPlane, bundle: str) -> None:
    built = list(yaml.safe_load_all(await installed.kubectl("kustomize", str(ROOT / bundle))))
    assert sorted(built, key=identity) == sorted(load(bundle), key=identity)
