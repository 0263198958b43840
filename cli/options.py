"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Kubeconfig = Annotated[
    Path | None,
    typer.Option("--kubeconfig", help="How to reach the cluster; else in-cluster, else the default kubeconfig."),
]

TimeScale = Annotated[
    float,
    typer.Option("--time-scale", hidden=True, min=0.001, help="Modelled seconds in a wall second; the lab's speed."),
]
