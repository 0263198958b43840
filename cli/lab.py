"""`stoker lab`: the commands of the lab. Only this module of the commands knows the lab, and imports it when called."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.choices import ALL, BENCHMARKS, FAULTS, MODES, PLACEMENT, SCENARIOS, benches, one_of
from model.errors import InvalidInput, LabError

if TYPE_CHECKING:
    from benchmarks.placement import Size
    from benchmarks.report import Bench
    from lab.constants import Constants
    from lab.demo import Run
    from lab.standing import LabState
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


class ReportOutput(StrEnum):
    TABLE = "table"
    JSON = "json"


Report = Annotated[
    Path | None, typer.Option("--report", help="Where to write the report; of `all`, in build/ where nothing is said.")
]
Docs = Annotated[
    Path | None, typer.Option("--docs", help="Of `all`: the directory docs in which to renew the page's figures.")
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
    from lab.destinations import prepare
    from lab.presentation import show, write_report
    from lab.scene import sample_profile
    from lab.workload import built_in, from_file

    prepare(report)
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
    name: Annotated[str, typer.Argument(help=one_of(SCENARIOS))],
    output: Annotated[ReportOutput, typer.Option("-o", "--output", help="table or json.")] = ReportOutput.TABLE,
    seed: Annotated[list[int] | None, typer.Option(help="Run with this seed; may be repeated.")] = None,
    mode: Annotated[
        list[str] | None, typer.Option(help=f"Run this mode only: {', '.join(MODES)}; may be repeated.")
    ] = None,
    speed: Speed = None,
    constants: ConstantsFile = None,
    path: Report = None,
    docs: Docs = None,
) -> None:
    """Let plain and tuned kube-schedulers and Stoker place the same pods in the same trouble, and judge them; ends with
    status 1 where a promise does not hold, or a mode that it is held against was not run.
    """
    from rich.console import Console

    from benchmarks import stories
    from benchmarks.report import describe_machine
    from lab.constants import load_constants
    from lab.scenarios.modes import chosen
    from lab.scenarios.report import report, show
    from lab.scenarios.suite import Selection, Suite

    path = _destination(name, path, "build/scenarios/report.json")
    _check_docs(name, docs, stories.check)
    loaded = load_constants(constants)
    suite = Suite(loaded, _tell)
    selection = Selection(suite.named(name), seed or [loaded.seed], speed, chosen(mode))
    found = report(asyncio.run(suite.run(_programs(), selection)))
    if path is not None:
        _write(found, path)
    if docs is not None:
        stories.renew(found, describe_machine(), docs)
    if output is ReportOutput.JSON:
        typer.echo(json.dumps(found, indent=1))
    else:
        show(found, Console(width=None if Console().is_terminal else 140))
    raise typer.Exit(0 if all(entry["held"] for entry in found["scenarios"]) else 1)


@app.command()
def bench(
    name: Annotated[str, typer.Argument(help=one_of(BENCHMARKS))],
    output: Annotated[ReportOutput, typer.Option("-o", "--output", help="table or json.")] = ReportOutput.TABLE,
    nodes: Annotated[int, typer.Option(min=100, help="Nodes of 50 images each.")] = 5_000,
    pods: Annotated[int, typer.Option(min=1, help="Of placement: gated pods at once.")] = 600,
    rounds: Annotated[int | None, typer.Option(min=1, help="Of each side, in turn; medians count.")] = None,
    path: Report = None,
    docs: Docs = None,
) -> None:
    """Measure Stoker beside what it stands in for, in one run; ends with status 1 where a floor does not hold."""
    from benchmarks import page, plots
    from benchmarks.placement import Size
    from benchmarks.report import Bench, report, show
    from benchmarks.suite import run

    wanted, found = benches(name), list[Bench]()
    path = _destination(name, path, "build/bench/report.json")
    _check_docs(name, docs, page.check)
    for one in wanted:
        _tell(f"{one}:")
        if one == PLACEMENT:
            found.append(_bench_placement(Size(nodes, pods, rounds or 5)))
        else:
            found.append(run(one, _tell, rounds=rounds, nodes=nodes, alone=name != ALL))
        if path is not None:  # after each, so that what was measured is there even if a later one cannot be
            _write(report(found), path)
            plots.write(report(found), path.parent)
    if docs is not None:
        page.renew(report(found), docs)
    typer.echo(json.dumps(report(found), indent=1) if output is ReportOutput.JSON else show(found))
    raise typer.Exit(0 if all(item.held for item in found) else 1)


@app.command()
def faults(
    name: Annotated[str, typer.Argument(help=one_of(FAULTS))],
    output: Annotated[ReportOutput, typer.Option("-o", "--output", help="table or json.")] = ReportOutput.TABLE,
    short: Annotated[
        bool, typer.Option("--short", help="Small counts and short troubles: does it work at all?")
    ] = False,
    path: Report = None,
    docs: Docs = None,
) -> None:
    """Break Stoker, and the cluster under it, in every way that is foreseen; status 1 where it does not hold."""
    from benchmarks.faults import page
    from benchmarks.faults.findings import Result, all_held, report, show
    from benchmarks.faults.suite import named, run

    wanted, found = named(name), list[Result]()
    path = _destination(name, path, "build/faults/report.json")
    _check_docs(name, docs, page.check)

    def keep(result: Result) -> None:
        found.append(result)
        if path is not None:
            _write(report(found), path)

    run(wanted, _programs(), _tell, keep, short=short)
    if docs is not None:
        page.renew(report(found), docs)
    typer.echo(json.dumps(report(found), indent=1) if output is ReportOutput.JSON else show(found))
    raise typer.Exit(0 if all_held(found) else 1)


@app.command()
def up(speed: Speed = None, constants: ConstantsFile = None) -> None:
    """Start a control plane with Stoker and the demo's fleet in the background, to try things on."""
    from lab.constants import load_constants
    from lab.standing import read_state
    from lab.standing import up as stand_up

    load_constants(constants)  # mistakes in it are told here, not in the supervisor's log
    if (standing := read_state()) is not None:
        raise LabError(f"a lab stands already; take it down with `stoker lab down`, or use it:\n{_to_use(standing)}")
    _programs()
    _tell("starting the lab (about 20 s) ...")
    arguments = ["--speed", str(speed)] if speed else []
    state = stand_up([*arguments, *(["--constants", str(constants.absolute())] if constants else [])])
    typer.echo(f"The lab stands; logs are in {state.logs}. To use it:\n{_to_use(state)}")
    typer.echo(
        "Its time is faster: explain and release need the --time-scale too. Take it down with `stoker lab down`."
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


def _to_use(state: LabState) -> str:
    return (
        f"  export KUBECONFIG={state.kubeconfig}\n"
        f"  {state.kubectl} get nodes\n"
        f"  stoker nodes --time-scale {state.speed:g}"
    )


async def _demo(
    programs: Programs, constants: Constants, workload: Workload, speed: float
) -> tuple[list[Run], dict[str, str]]:
    from lab.demo import Demo
    from lab.stage import Stage

    async with Stage.start(programs, speed, _tell) as stage:
        return await Demo(stage, constants, workload, _tell).run(), await stage.versions()


def _destination(name: str, path: Path | None, usual: str) -> Path | None:
    """Where the report goes, `usual` being that of all; None where none is wanted, InvalidInput where none can be."""
    from lab.destinations import prepare

    wanted = path or (Path(usual) if name == ALL else None)
    if wanted is not None:
        prepare(wanted)
    return wanted


def _check_docs(name: str, docs: Path | None, check: Callable[[Path], None]) -> None:
    """InvalidInput where the page could not be renewed, or would lose the figures of all that is not run."""
    if docs is not None and name != ALL:
        raise InvalidInput(f"--docs renews the figures of {ALL}, and {name} is one; name {ALL}, or leave --docs out")
    if docs is not None:
        check(docs)


def _write(found: dict[str, Any], path: Path) -> None:
    from lab.destinations import write_json

    write_json(found, path)


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
