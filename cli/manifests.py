"""`stoker manifests`: what a cluster applies, without kustomize or a checkout."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Print the manifests that install Stoker.")


class Bundle(StrEnum):
    """The directories of manifests/."""

    DEFAULT = "default"
    BASE = "base"
    SCHEDULER = "scheduler"
    SAMPLES = "samples"
    CERT_MANAGER = "cert-manager"


@app.command()
def crd() -> None:
    """Print the TenantProfile CustomResourceDefinition."""
    from manifests.crd import tenant_profile_crd_yaml

    typer.echo(tenant_profile_crd_yaml(), nl=False)


@app.command()
def show(
    bundle: Annotated[
        Bundle,
        typer.Argument(
            help="default is base (Stoker itself) and scheduler (the second scheduler); cert-manager is default "
            "with its certificates."
        ),
    ] = Bundle.DEFAULT,
) -> None:
    """Print a set of manifests as one YAML stream, for `kubectl apply -f -`."""
    from manifests.loader import text

    typer.echo(text(bundle.value), nl=False)
