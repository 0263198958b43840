"""The `stoker` command and its subcommands. Whatever is heavy is imported by the command that needs it."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from cli import certs, explain, lab, manifests, nodes, release, serve
from model.errors import StokerError

app = typer.Typer(
    name="stoker",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Stoker decides on which node of a Kubernetes cluster a tenant's pod starts, so that it is ready soon.",
)
app.command("serve")(serve.serve)
app.command("explain")(explain.explain)
app.command("nodes")(nodes.nodes)
app.command("release")(release.release)
app.add_typer(certs.app, name="certs")
app.add_typer(manifests.app, name="manifests")
app.add_typer(lab.app, name="lab")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"stoker {version('stoker')}")
        raise typer.Exit


@app.callback()
def stoker(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """The options that go before every subcommand."""


def main() -> None:
    """Run the command; what Stoker raises on purpose ends as one sentence on stderr and exit status 1."""
    try:
        app()
    except StokerError as error:
        typer.echo(f"stoker: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
