"""`stoker lab`: the commands of the lab. Only this module of the commands knows the lab, and imports it when called."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from lab.constants import Constants
    from lab.demo import Run
    from lab.toolchain import Programs
    from lab.workload import Workload

app = typer.Typer(no_args_is_help=True, help="A real control plane with a simulated fleet, on this machine.")

Speed = Annotated[
    float | None,
    typer.Option(min=1.0, max=1000.0, help="Modelled seconds in a wall second; else as the constants say (20)."),
]
ConstantsFile = Annotated[
    Path | None, typer.Option("--constants", help="The physics, fleet and load, in place of lab/constants.toml.")
]


@app.command()
def build() -> None:
    """Find or build the programs of the control plane (the first time up to 15 minutes), and say where they are."""
    programs = _programs()
    for name in programs.__dataclass_fields__:
        typer.echo(f"{name:<24} {getattr(programs, name)}")


@app.command()
def demo(
    pods: Annotated[
        Path | None, typer.Option(help="A YAML file with Namespaces and Pods to run in place of the demo's.")
    ] = None,
    speed: Speed = None,
    constants: ConstantsFile = None,
    report: Annotated[Path, typer.Option(help="Where to write the report.")] = Path("build/demo/report.json"),
) -> None:
    """Place the same pods twice, by plain kube-scheduler and with Stoker, and compare."""
    from rich.console import Console

    from lab.constants import load_constants
    from lab.presentation import show, write_report
    from lab.scene import sample_profile
    from lab.workload import built_in, from_file

    loaded = load_constants(constants)
    profile = sample_profile(loaded)["metadata"]["name"]
    workload = from_file(pods, profile) if pods else built_in(loaded, profile)
    runs = asyncio.run(_demo(_programs(), loaded, workload, speed or loaded.speed))
    write_report(runs, report)
    console = Console(width=None if Console().is_terminal else 140)
    show(runs, console)
    console.print(f"The report of every pod is in {report}.")


async def _demo(programs: Programs, constants: Constants, workload: Workload, speed: float) -> list[Run]:
    from lab.demo import Demo
    from lab.stage import Stage

    async with Stage.start(programs, speed, _tell) as stage:
        return await Demo(stage, constants, workload, _tell).run()


def _programs() -> Programs:
    from lab.toolchain import find_or_build

    return find_or_build()


def _tell(text: str) -> None:
    typer.echo(f"  {text}", err=True)
