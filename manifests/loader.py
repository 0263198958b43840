"""Reads the manifests as kustomize would. They use nothing of kustomize but `resources`, so a few lines suffice.

A bundle is a directory with a kustomization.yaml: `base`, `scheduler`, `samples`, or `default` (base and scheduler).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from model.errors import InvalidInput

ROOT: Final = Path(__file__).parent
BUNDLES: Final = ("default", "base", "scheduler", "samples")


def paths(bundle: str) -> list[Path]:
    """The files of a bundle in the order in which they are applied; InvalidInput where there is no such bundle."""
    if bundle not in BUNDLES:
        raise InvalidInput(f"there are no manifests {bundle!r}; there are {', '.join(BUNDLES)}")
    return list(_resources(ROOT / bundle))


def load(bundle: str) -> list[dict[str, Any]]:
    """The objects of a bundle, new with every call, so that a caller may change them before it applies them."""
    return [
        document
        for path in paths(bundle)
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))
        if document is not None
    ]


def text(bundle: str) -> str:
    """The bundle as one YAML stream with its comments, as `kubectl apply -f -` takes it."""
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
