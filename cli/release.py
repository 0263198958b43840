"""`stoker release`: open overdue gates; what a CronJob runs in case no controller lives."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import Context, Kubeconfig, Target, TimeScale
from cli.output import Column, Output, OutputOption, render

if TYPE_CHECKING:
    from placement.release import Release

COLUMNS = (
    Column("NAMESPACE", "namespace"),
    Column("POD", "name"),
    Column("OUTCOME", "outcome"),
    Column("OVERDUE SECONDS", "overdue_seconds", right=True),
)


def release(
    everything: Annotated[
        bool, typer.Option("--all", help="Open every gate of Stoker's, due or not: before uninstalling.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would be opened, and open nothing.")] = False,
    output: OutputOption = Output.TABLE,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    time_scale: TimeScale = 1.0,
) -> None:
    """Open the gates of pods that were held beyond their profile's maxHoldSeconds; status 1 where one stays shut."""
    from placement.release import FAILED
    from serving.log import configure_logging

    configure_logging("warning")
    results = asyncio.run(_release(Target(kubeconfig, context), time_scale, everything=everything, dry_run=dry_run))
    rows: list[dict[str, Any]] = [asdict(result) for result in results]
    if not rows and output in (Output.TABLE, Output.WIDE):
        typer.echo("no pod waits behind a gate of Stoker's")
        return
    typer.echo(render(rows, output, COLUMNS))
    if any(result.outcome == FAILED for result in results):
        raise typer.Exit(1)


async def _release(target: Target, time_scale: float, *, everything: bool, dry_run: bool) -> list[Release]:
    from cluster.clock import Clock
    from placement.release import release as open_gates

    async with await target.client() as client:
        return await open_gates(client, Clock(time_scale), everything=everything, dry_run=dry_run)
