"""`stoker lab`: the commands of the lab. Only this module of the commands knows the lab, and imports it when called."""

from __future__ import annotations

import asyncio
import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from benchmarks.placement import Size
    from benchmarks.report import Bench
    from lab.constants import Constants
    from lab.demo import Run
    from lab.toolchain import Programs
    from lab.workload import Workload

app = typer.Typer(no_args_is_help=True, help="A real control plane with a simulated fleet, on this machine.")

Speed = Annotated[
    float | None,
    typer.Option(min=1.0, max=1000.0, help="Modelled seconds in a wall second; else as the constants say."),
]
ConstantsFile = Annotated[
    Path | None, typer.Option("--constants", help="The physics, fleet and load, in place of lab/constants.toml.")
]


class Benchmark(StrEnum):
    PRIORITIZE = "prioritize"
    IMAGE_SETS = "image-sets"
    GROWTH = "growth"
    FILTER = "filter"
    SCHEDULER = "scheduler"
    WEBHOOK = "webhook"
    CREATE = "create"
    REFLECTION = "reflection"
    SYNC = "sync"
    ENDURANCE = "endurance"
    OVERLOAD = "overload"
    PLACEMENT = "placement"
    ALL = "all"


class ReportOutput(StrEnum):
    TABLE = "table"
    JSON = "json"


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
    runs, versions = asyncio.run(_demo(_programs(), loaded, workload, speed or loaded.demo.speed or loaded.speed))
    write_report(runs, versions, report)
    console = Console(width=None if Console().is_terminal else 140)
    show(runs, console)
    console.print(f"The report of every pod is in {report}.")


@app.command()
def scenario(
    name: Annotated[str, typer.Argument(help="The scenario, or `all` (some twenty minutes).")],
    output: Annotated[ReportOutput, typer.Option("-o", "--output", help="table or json.")] = ReportOutput.TABLE,
    seed: Annotated[list[int] | None, typer.Option(help="Run with this seed; may be repeated.")] = None,
    mode: Annotated[list[str] | None, typer.Option(help="Run this mode only; may be repeated.")] = None,
    speed: Speed = None,
    constants: ConstantsFile = None,
) -> None:
    """Let plain and tuned kube-schedulers and Stoker place the same pods in the same trouble, and judge them."""
    from rich.console import Console

    from lab.constants import load_constants
    from lab.scenarios.modes import chosen
    from lab.scenarios.report import report, show
    from lab.scenarios.suite import Assignment, Suite

    loaded = load_constants(constants)
    suite = Suite(loaded, _tell)
    assignment = Assignment(suite.named(name), seed or [loaded.seed], speed, chosen(mode))
    cases = asyncio.run(suite.run(_programs(), assignment))
    if output is ReportOutput.JSON:
        typer.echo(json.dumps(report(cases), indent=1))
    else:
        show(cases, Console(width=None if Console().is_terminal else 140))


@app.command()
def bench(
    name: Annotated[Benchmark, typer.Argument(help="What to measure; `all` takes some twenty minutes.")],
    output: Annotated[ReportOutput, typer.Option("-o", "--output", help="table or json.")] = ReportOutput.TABLE,
    nodes: Annotated[int, typer.Option(min=100, help="Nodes of 50 images each.")] = 5_000,
    pods: Annotated[int, typer.Option(min=1, help="Of placement: gated pods at once.")] = 600,
    rounds: Annotated[int | None, typer.Option(min=1, help="Of each side, in turn; medians count.")] = None,
    path: Annotated[Path, typer.Option("--report", help="Of all: where to write the report and the plots.")] = Path(
        "build/bench/report.json"
    ),
    docs: Annotated[Path | None, typer.Option(help="Of all: renew the figures of performance.md in there.")] = None,
) -> None:
    """Measure Stoker beside what it stands in for, in one run; ends with status 1 where a floor does not hold."""
    from benchmarks.placement import Size
    from benchmarks.report import report, show
    from benchmarks.suite import run

    found: list[Bench] = []
    for one in [item for item in Benchmark if item is not Benchmark.ALL] if name is Benchmark.ALL else [name]:
        _tell(f"{one}:")
        if one is Benchmark.PLACEMENT:
            found.append(_bench_placement(Size(nodes, pods, rounds or 5)))
        else:
            found.append(run(one, _tell, rounds=rounds, nodes=nodes, alone=name is not Benchmark.ALL))
        if name is Benchmark.ALL:
            _write_benches(report(found), path)
    if docs is not None:
        from benchmarks.page import renew

        renew(report(found), docs)
    typer.echo(json.dumps(report(found), indent=1) if output is ReportOutput.JSON else show(found))
    raise typer.Exit(0 if all(item.held for item in found) else 1)


@app.command()
def faults(
    name: Annotated[str, typer.Argument(help="The fault, or `all` (some twenty minutes).")],
    output: Annotated[ReportOutput, typer.Option("-o", "--output", help="table or json.")] = ReportOutput.TABLE,
    short: Annotated[
        bool, typer.Option("--short", help="Small counts and short troubles: does it work at all?")
    ] = False,
    path: Annotated[Path, typer.Option("--report", help="Of all: where to write the report.")] = Path(
        "build/faults/report.json"
    ),
    docs: Annotated[Path | None, typer.Option(help="Renew the figures of reliability.md in there.")] = None,
) -> None:
    """Break Stoker, and the cluster under it, in every way that is foreseen; status 1 where it does not hold."""
    from benchmarks.faults.findings import Result, all_held, report, show
    from benchmarks.faults.suite import ALL, named, run

    found, wanted = list[Result](), named(name)

    def keep(result: Result) -> None:
        found.append(result)
        if name == ALL:
            _write_report(report(found), path)

    run(wanted, _programs(), _tell, keep, short=short)
    if docs is not None:
        from benchmarks.faults.page import renew

        renew(report(found), docs)
    typer.echo(json.dumps(report(found), indent=1) if output is ReportOutput.JSON else show(found))
    raise typer.Exit(0 if all_held(found) else 1)


@app.command()
def up(speed: Speed = None, constants: ConstantsFile = None) -> None:
    """Start a control plane with Stoker and the demo's fleet in the background, to try things on."""
    from lab.constants import load_constants
    from lab.standing import up as stand_up

    load_constants(constants)  # mistakes in it are told here, not in the supervisor's log
    _programs()
    _tell("starting the lab (about 20 s) ...")
    arguments = ["--speed", str(speed)] if speed else []
    state = stand_up([*arguments, *(["--constants", str(constants.absolute())] if constants else [])])
    typer.echo(
        f"The lab stands; logs are in {state.logs}. To use it:\n"
        f"  export KUBECONFIG={state.kubeconfig}\n"
        f"  {state.kubectl} get nodes\n"
        f"  stoker nodes --time-scale {state.speed:g}\n"
        "Take it down with `stoker lab down`."
    )


@app.command()
def down() -> None:
    """Stop what `stoker lab up` started."""
    from lab.standing import down as take_down

    typer.echo("The lab is down." if take_down() else "No lab stands; nothing to do.")


@app.command(hidden=True)
def hold(speed: Speed = None, constants: ConstantsFile = None) -> None:
    """Be the standing lab's supervisor."""
    from lab.constants import load_constants
    from lab.standing import hold as hold_lab

    loaded = load_constants(constants)
    asyncio.run(hold_lab(loaded, speed or loaded.speed, _tell))


async def _demo(
    programs: Programs, constants: Constants, workload: Workload, speed: float
) -> tuple[list[Run], dict[str, str]]:
    from lab.demo import Demo
    from lab.stage import Stage

    async with Stage.start(programs, speed, _tell) as stage:
        return await Demo(stage, constants, workload, _tell).run(), await stage.versions()


def _write_benches(found: dict[str, Any], path: Path) -> None:
    """After each bench, so that what was measured is there even if a later one cannot be."""
    from benchmarks import plots

    _write_report(found, path)
    plots.write(found, path.parent)


def _write_report(found: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _bench_placement(size: Size) -> Bench:
    import uvloop

    from benchmarks.placement import PlacementBench, compare
    from lab.constants import load_constants

    async def run() -> Bench:
        async with PlacementBench.start(_programs(), load_constants(None), size, _tell) as measured:
            return compare(await measured.run(_tell))

    return uvloop.run(run())


def _programs() -> Programs:
    from lab.toolchain import find_or_build

    return find_or_build()


def _tell(text: str) -> None:
    typer.echo(f"  {text}", err=True)
