"""Options that several commands have."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

Kubeconfig = Annotated[
    Path | None,
    typer.Option("--kubeconfig", help="How to reach the cluster; else in-cluster, else the default kubeconfig."),
]

Context = Annotated[
    str | None,
    typer.Option("--context", help="Which context of the kubeconfig; else its current one."),
]


@dataclass(frozen=True, slots=True)
class Target:
    """The cluster that a command is to talk to, as `cluster.access.load_access` takes it."""

    kubeconfig: Path | None
    context: str | None


TimeScale = Annotated[
    float,
    typer.Option("--time-scale", hidden=True, min=0.001, help="Modelled seconds in a wall second; the lab's speed."),
]
