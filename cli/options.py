"""Options that several commands have."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from cluster.client import ApiClient

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
    """The cluster that a command is to talk to."""

    kubeconfig: Path | None
    context: str | None

    async def client(self) -> ApiClient:
        """To be entered; InvalidInput where there is no access."""
        from cluster.access import load_access
        from cluster.client import ApiClient

        return ApiClient(await load_access(self.kubeconfig, self.context))


TimeScale = Annotated[
    float,
    typer.Option("--time-scale", hidden=True, min=0.001, help="Modelled seconds in a wall second; the lab's speed."),
]
