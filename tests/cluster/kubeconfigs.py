"""Kubeconfigs as tests write them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml


def kubeconfig(
    path: Path,
    *contexts: str,
    current: str | None = None,
    server: str = "http://127.0.0.1:1",
    user: Mapping[str, Any] | None = None,
) -> Path:
    """A file with these contexts, each with a cluster and a user of its name; the user `user` in all of them."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": current or "",
        "clusters": [{"name": name, "cluster": {"server": f"{server}/{name}"}} for name in contexts],
        "users": [{"name": name, "user": dict(user or {})} for name in contexts],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}} for name in contexts],
    }
    path.write_text(yaml.safe_dump(document))
    return path


def plugin(path: Path, *lines: str) -> dict[str, Any]:
    """A user whose credentials a program gives: a shell script of these lines."""
    path.write_text("\n".join(("#!/bin/sh", *lines, "")))
    path.chmod(0o755)
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(path)}}
