"""`stoker certs`: whether the API server trusts what Stoker serves, and for how long."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cli.options import Kubeconfig
from cli.output import Column, Output, OutputOption, render

if TYPE_CHECKING:
    from certs.inspection import CertificateReport

app = typer.Typer(invoke_without_command=True, help="Look at Stoker's certificates; without a command, their status.")

COLUMNS = (
    Column("WHERE", "where"),
    Column("SUBJECT", "subject"),
    Column("EXPIRES", "expires"),
    Column("DAYS LEFT", "days_left", right=True),
    Column("VERDICT", "verdict"),
    Column("FINGERPRINT", "fingerprint", wide=True),
)


@app.callback()
def certificates(
    context: typer.Context,
    output: OutputOption = Output.TABLE,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Without a command, show the status."""
    if context.invoked_subcommand is None:
        status(output, kubeconfig)


@app.command()
def status(
    output: OutputOption = Output.TABLE,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Show the CA, what each webhook trusts, and whether they agree (else the exit status is 1)."""
    reports = asyncio.run(_inspect_cluster(kubeconfig))
    rows = [_row(report) for report in reports]
    agrees = all(report.agrees for report in reports)
    if output in (Output.JSON, Output.YAML):
        typer.echo(render({"agrees": agrees, "certificates": rows}, output, COLUMNS))
    else:
        typer.echo(render(rows, output, COLUMNS))
    if not agrees:
        raise typer.Exit(1)


async def _inspect_cluster(kubeconfig: Path | None) -> list[CertificateReport]:
    from certs.injection import read_configuration
    from certs.inspection import inspect
    from certs.store import AuthorityStore
    from cluster.access import load_access
    from cluster.client import ApiClient

    async with ApiClient(await load_access(kubeconfig)) as client:
        stored = await AuthorityStore(client).read()
        return inspect(stored, await read_configuration(client), datetime.now(UTC))


def _row(report: CertificateReport) -> dict[str, Any]:
    row = asdict(report)
    row["expires"] = None if report.expires is None else report.expires.isoformat().replace("+00:00", "Z")
    return row
