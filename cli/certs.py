"""`stoker certs`: whether the API server trusts what Stoker serves, the CA's rollover, and certificates for clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cli.options import Context, Kubeconfig, Target
from cli.output import Column, Output, OutputOption, render
from model import names
from model.errors import Conflict, InvalidInput, NotFound

if TYPE_CHECKING:
    from certs.issuance import Issued
    from certs.store import StoredAuthority
    from cluster.client import ApiClient

app = typer.Typer(
    invoke_without_command=True, help="Look at Stoker's certificates and roll the CA over; else, their status."
)

EXTENDER_PORT: Final = 9444

COLUMNS = (
    Column("WHERE", "where"),
    Column("SUBJECT", "subject"),
    Column("EXPIRES", "expires"),
    Column("DAYS LEFT", "days_left", right=True),
    Column("VERDICT", "verdict"),
    Column("FINGERPRINT", "fingerprint", wide=True),
)

REPLICA_COLUMNS = (
    Column("REPLICA", "name"),
    Column("SERVES FROM CA", "fingerprint"),
    Column("CONFIRMED", "serves_from_signing_ca"),
)


class Client(StrEnum):
    """Who is to ask Stoker."""

    SCHEDULER = "scheduler"
    APISERVER = "apiserver"


@app.callback()
def certificates(
    invocation: typer.Context,
    output: Annotated[Output | None, typer.Option("--output", "-o", help="How to print the status.")] = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Without a command, show the status."""
    command = invocation.invoked_subcommand
    if command is None:
        status(output or Output.TABLE, kubeconfig, context)
    elif (output or kubeconfig or context) is not None:
        raise InvalidInput(
            "--output, --kubeconfig and --context belong behind the command that has them: "
            f"stoker certs {command} --context NAME"
        )


@app.command()
def status(
    output: OutputOption = Output.TABLE,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Show the CA, what each webhook trusts, whether they agree (else the exit status is 1), and the CA's rollover."""
    report = asyncio.run(_inspect_cluster(Target(kubeconfig, context)))
    if output in (Output.JSON, Output.YAML):
        typer.echo(render(report, output, COLUMNS))
    else:
        typer.echo(_as_text(report, output))
    if not report["agrees"]:
        raise typer.Exit(1)


@app.command()
def rotate(
    wait_seconds: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Between publishing the next CA and using it; 900 by default. Longer where schedulers hold the CA in "
            "a file. Less only where the CA must go at once: an API server that has not seen the next refuses pods.",
        ),
    ] = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Ask the replicas to put another CA in the place of this one, without a moment in which pods are refused."""
    wait = asyncio.run(_rotate(Target(kubeconfig, context), wait_seconds))
    typer.echo(
        f"The CA rolls over: the next one is made within a minute, published, and used {wait} s later.\n"
        "`stoker certs status` shows how far it is."
    )


@app.command()
def issue(
    directory: Annotated[Path, typer.Option("--dir", "-d", help="Where to write the files; made where it is not.")],
    client: Annotated[Client, typer.Argument(help="Who asks: kube-scheduler, or kube-apiserver.")] = Client.SCHEDULER,
    path: Annotated[
        Path | None, typer.Option(help="Where the client will see the directory; by default, at the same place.")
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(
            help="Where the client reaches Stoker: https://host:port. By default, for the scheduler the cluster "
            "address of the Service, and for the API server the Service by name."
        ),
    ] = None,
    days: Annotated[int, typer.Option(min=1, help="How long the certificate is to be valid; at most as the CA.")] = 365,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Write a client certificate with its key, the CA, and the configuration that uses them.

    For a scheduler in a static pod: a KubeSchedulerConfiguration with mutual TLS. For an API server: an
    AdmissionConfiguration. Both read the files when they start; a rollover of the CA wants them issued again.
    """
    seen = (path or directory).absolute()
    issued = asyncio.run(_issue(Target(kubeconfig, context), client, (url, seen), timedelta(days=days)))
    written = _write(directory, issued)
    typer.echo("\n".join([*map(str, written), f"The certificate is valid until {_shown(issued.expires)}."]))


async def _inspect_cluster(target: Target) -> dict[str, Any]:
    from certs.injection import read_configuration
    from certs.inspection import inspect, inspect_rollover, is_published
    from certs.replicas import read_replicas

    now = datetime.now(UTC)
    async with _reading(target) as (client, stored):
        configuration = await read_configuration(client)
        reports = inspect(stored, configuration, now)
        rollover = None
        if stored is not None:
            replicas = await read_replicas(client)
            rollover = asdict(inspect_rollover(stored, replicas, is_published(stored, configuration), now))
            rollover["switch_after"] = _shown(rollover["switch_after"])
        return {
            "agrees": all(report.agrees for report in reports),
            "certificates": [asdict(report) | {"expires": _shown(report.expires)} for report in reports],
            "rollover": rollover,
        }


async def _rotate(target: Target, wait_seconds: int | None) -> int:
    from certs.rollover import Phase, phase_of
    from certs.store import DEFAULT_WAIT_SECONDS, AuthorityStore

    wait = DEFAULT_WAIT_SECONDS if wait_seconds is None else wait_seconds
    async with _reading(target) as (client, stored):
        current = _required(stored)
        phase = phase_of(current)
        if phase is not Phase.STEADY or current.wait_seconds is not None:
            raise InvalidInput(f"a rollover is under way already ({phase}); see `stoker certs status`")
        try:
            await AuthorityStore(client).replace(replace(current, wait_seconds=wait))
        except Conflict as error:
            raise InvalidInput("somebody else has just changed the CA; look at its status and try again") from error
        return wait


async def _issue(target: Target, client: Client, place: tuple[str | None, Path], lifetime: timedelta) -> Issued:
    import yaml

    from certs.issuance import (
        SCHEDULER_CONFIGURATION,
        SERVER_NAME,
        admission_configuration,
        issue_client,
        scheduler_configuration,
    )
    from manifests.loader import load

    url, seen = place
    async with _reading(target) as (api, stored):
        issued = issue_client(_required(stored), f"stoker-{client}", now=datetime.now(UTC), lifetime=lifetime)
        if client is Client.APISERVER:
            host = SERVER_NAME if url is None else url.removeprefix("https://").partition("/")[0]
            return replace(issued, files={**issued.files, **admission_configuration(host, seen)})
        shipped = next(item for item in load("scheduler") if item["kind"] == "ConfigMap")
        configuration = scheduler_configuration(
            yaml.safe_load(shipped["data"]["scheduler.yaml"]), url or await _extender_url(api), seen
        )
        return replace(issued, files={**issued.files, SCHEDULER_CONFIGURATION: configuration})


async def _extender_url(client: ApiClient) -> str:
    """By address: a pod in the host's network, as a static one is, does not know the cluster's names."""
    try:
        service = await client.get(f"/api/v1/namespaces/{names.NAMESPACE}/services/{names.SERVICE}")
    except NotFound as error:
        raise InvalidInput(f"there is no Service {names.NAMESPACE}/{names.SERVICE}; give --url") from error
    address = service["spec"]["clusterIP"]
    return f"https://[{address}]:{EXTENDER_PORT}" if ":" in address else f"https://{address}:{EXTENDER_PORT}"


@asynccontextmanager
async def _reading(target: Target) -> AsyncIterator[tuple[ApiClient, StoredAuthority | None]]:
    from certs.store import AuthorityStore

    async with await target.client() as client:
        yield client, await AuthorityStore(client).read()


def _required(stored: StoredAuthority | None) -> StoredAuthority:
    if stored is None:
        where = f"Secret {names.NAMESPACE}/{names.CA_SECRET}"
        raise InvalidInput(f"there is no {where}: Stoker makes it when it starts with self-managed certificates")
    return stored


def _write(directory: Path, issued: Issued) -> list[Path]:
    """Only the owner may read the key, from the first byte on."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, content in issued.files.items():
            path = directory / name
            path.unlink(missing_ok=True)
            path.touch(mode=0o600 if name.endswith(".key") else 0o644)
            path.write_bytes(content)
    except OSError as error:
        raise InvalidInput(f"{error.filename} cannot be written ({error.strerror}); choose another --dir") from error
    return [directory / name for name in issued.files]


def _as_text(report: dict[str, Any], output: Output) -> str:
    lines = [render(report["certificates"], output, COLUMNS)]
    if rollover := report["rollover"]:
        lines += ["", f"Rollover: {rollover['phase']}, waits for {rollover['waits_for']}"]
        if output is Output.WIDE and rollover["replicas"]:
            lines += ["", render(rollover["replicas"], output, REPLICA_COLUMNS)]
    return "\n".join(lines)


def _shown(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat(timespec="seconds").replace("+00:00", "Z")
