"""`stoker lab`."""

from __future__ import annotations

import typer

app = typer.Typer(no_args_is_help=True, help="A real control plane and a simulated fleet on this machine.")


@app.callback()
def group() -> None:
    """The lab's commands."""
