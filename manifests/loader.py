"""Reads the manifests as kustomize would. They use nothing of it but `resources` and `patches`, so a few lines suffice.

A bundle is a directory with a kustomization.yaml: `base`, `scheduler`, `samples`, `default` (base and scheduler), or
`cert-manager` (default, with certificates that cert-manager keeps).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from model.errors import InvalidInput

ROOT: Final = Path(__file__).parent
BUNDLES: Final = ("default", "base", "scheduler", "samples", "cert-manager")


def paths(bundle: str) -> list[Path]:
    """The files of a bundle in the order in which they are applied; InvalidInput where there is no such bundle."""
    if bundle not in BUNDLES:
        raise InvalidInput(f"there are no manifests {bundle!r}; there are {', '.join(BUNDLES)}")
    return list(_resources(ROOT / bundle))


def load(bundle: str) -> list[dict[str, Any]]:
    """The objects of a bundle, new with every call, so that a caller may change them before it applies them."""
    objects = [document for path in paths(bundle) for document in _documents(path)]
    for patch in _patches(bundle):
        objects = [_patched(item, patch) if _is_about(patch, item) else item for item in objects]
    return [item for item in objects if item]


def text(bundle: str) -> str:
    """The bundle as one YAML stream, as `kubectl apply -f -` takes it; with its comments, unless it has patches."""
    if _patches(bundle):
        return yaml.safe_dump_all(load(bundle), sort_keys=False, width=120)
    parts = (path.read_text(encoding="utf-8").removeprefix("---\n").strip("\n") for path in paths(bundle))
    return "\n---\n".join(parts) + "\n"


def _resources(directory: Path) -> Iterator[Path]:
    kustomization = yaml.safe_load((directory / "kustomization.yaml").read_text(encoding="utf-8"))
    for resource in kustomization["resources"]:
        path = (directory / resource).resolve()
        if path.is_dir():
            yield from _resources(path)
        else:
            yield path


def _documents(path: Path) -> list[dict[str, Any]]:
    loaded = yaml.safe_load_all(path.read_text(encoding="utf-8"))
    return [document for document in loaded if document is not None]


def _patches(bundle: str) -> list[dict[str, Any]]:
    kustomization = yaml.safe_load((ROOT / bundle / "kustomization.yaml").read_text(encoding="utf-8"))
    listed = kustomization.get("patches", [])
    return [document for patch in listed for document in _documents(ROOT / bundle / patch["path"])]


def _is_about(patch: dict[str, Any], item: dict[str, Any]) -> bool:
    keys = ("name", "namespace")
    same_name = all(patch["metadata"].get(key) == item.get("metadata", {}).get(key) for key in keys)
    return same_name and patch["kind"] == item.get("kind")


def _patched(live: Any, patch: Any) -> Any:
    """A strategic merge: what has a name is merged by it, other lists are replaced, `$patch: delete` leaves nothing."""
    if isinstance(patch, dict) and patch.get("$patch") == "delete":
        return {}
    if isinstance(patch, dict) and isinstance(live, dict):
        return {**live, **{key: _patched(live.get(key), value) for key, value in patch.items()}}
    if _have_names(patch) and _have_names(live):
        changes = {item["name"]: item for item in patch}
        kept = [_patched(item, changes.pop(item["name"], {})) for item in live]
        return [*kept, *changes.values()]
    return patch


def _have_names(items: Any) -> bool:
    return isinstance(items, list) and all(isinstance(item, dict) and "name" in item for item in items)
