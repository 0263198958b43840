"""The long run: every target under atheris, the HTTP surface with it. `make fuzz` is `python -m tests.fuzz.run`.

A process for each, two or as many as there are processors at a time. Ends with 1 where a promise was broken, an input
took too long, memory grew, or fewer inputs were tried than asked for; with 2 where atheris is not there.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS

LEAST_INPUTS: Final = 1_000_000
INPUTS: Final = {
    "review": 210_000,
    "extender": 210_000,
    "nodes": 60_000,
    "pods": 60_000,
    "profiles": 60_000,
    "images": 210_000,
    "quantities": 200_000,
}
"""By how long each takes, so that all of them end within minutes."""

REQUESTS: Final = 4_000
PATIENCE_SECONDS: Final = 0.5
"""For one input: a scheduler waits no longer for the extender. It is wall time; where more processes want to run than
there are processors, so many times more is allowed."""

HANG_SECONDS: Final = 5
"""After which an input is given up."""

MOST_MEBIBYTES: Final = 1_024
SPARE_BLOCKS: Final = 10_000
BLOCKS_PER_INPUT: Final = 0.01
SPARE_MEBIBYTES: Final = 64
"""What may be taken for good after a quarter of the inputs: a block for a hundred, and a heap's broken pieces."""

LOOK_SECONDS: Final = 10.0
TOLD_LINES: Final = 60
DIRECTORY: Final = Path("build/fuzz")


@dataclass(frozen=True, slots=True)
class Job:
    """A process, and the file of its figures."""

    name: str
    tool: str
    inputs: int
    command: tuple[str, ...]
    figures: Path
    log: Path


def jobs(directory: Path, share: float, seed: int) -> list[Job]:
    """The slowest first, so that none is left alone at the end."""
    planned = [_surface(directory, round(REQUESTS * share))]
    for name, inputs in sorted(INPUTS.items(), key=lambda item: item[0] not in ("nodes", "pods", "profiles", "review")):
        planned.append(_instrumented(TARGETS[name], directory, round(inputs * share), seed))
    return planned


def _surface(directory: Path, requests: int) -> Job:
    figures, log = directory / "surface.json", directory / "surface.log"
    command = (sys.executable, "-m", "tests.fuzz.surface", str(figures), str(requests))
    return Job("surface", "schemathesis, hypothesis", requests, command, figures, log)


def _instrumented(target: Target, directory: Path, inputs: int, seed: int) -> Job:
    corpus, words = directory / "corpus" / target.name, directory / f"{target.name}.words"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(target.seeds):
        (corpus / f"seed-{number}").write_bytes(data)
    dictionary = "".join(f'"{_escaped(word)}"\n' for word in target.words)
    words.write_text(dictionary or "# libFuzzer takes no empty one\n")
    figures = directory / f"{target.name}.json"
    options = (
        *(f"-runs={inputs}", f"-timeout={HANG_SECONDS}", f"-rss_limit_mb={MOST_MEBIBYTES}", f"-seed={seed}"),
        *("-max_len=4096", f"-dict={words}", f"-artifact_prefix={directory / target.name}-"),
    )
    command = (sys.executable, "-m", "tests.fuzz.instrumented", target.name, str(figures), *options, str(corpus))
    return Job(target.name, "atheris", inputs, command, figures, directory / f"{target.name}.log")


def _escaped(word: str) -> str:
    """As libFuzzer's dictionaries have it."""
    return "".join(f"\\x{byte:02x}" for byte in word.encode())


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a job; `broken` says why it is no success, empty where it is one."""

    name: str
    tool: str
    inputs: int
    inputs_per_second: float
    slowest_seconds: float
    blocks_grown: int
    resident_mebibytes_grown: float
    broken: str


def judge(job: Job, status: int, figures: Mapping[str, Any], load: float = 1.0) -> Outcome:
    """`load`: processes that wanted to run, for each processor."""
    inputs, seconds = int(figures.get("inputs", 0)), float(figures.get("seconds", 0.0))
    slowest = float(figures.get("slowest_seconds", 0.0))
    blocks, mebibytes = int(figures.get("blocks_grown", 0)), float(figures.get("resident_mebibytes_grown", 0.0))
    # libFuzzer's last inputs, fewer than a look's thousand, are not told.
    complaints = (
        (status != 0, f"status {status}"),
        (inputs < job.inputs // 1_000 * 1_000, f"{inputs} inputs of {job.inputs}"),
        (slowest > PATIENCE_SECONDS * max(1.0, load), f"an input took {slowest:.1f} s"),
        (blocks > SPARE_BLOCKS + BLOCKS_PER_INPUT * inputs, f"{blocks} blocks of memory more"),
        (mebibytes > SPARE_MEBIBYTES, f"{mebibytes:.0f} MiB of memory more"),
    )
    broken = "; ".join(text for holds, text in complaints if holds)
    rate = round(inputs / seconds, 1) if seconds else 0.0
    return Outcome(job.name, job.tool, inputs, rate, round(slowest, 4), blocks, round(mebibytes, 1), broken)


def load_per_processor() -> float:
    """Of the last minute: processes that run or want to."""
    return os.getloadavg()[0] / (os.cpu_count() or 1)


async def run(job: Job) -> Outcome:
    job.figures.unlink(missing_ok=True)
    heaviest = load_per_processor()
    with job.log.open("wb") as log:
        process = await asyncio.create_subprocess_exec(*job.command, stdout=log, stderr=log)
        while process.returncode is None:
            try:
                await asyncio.wait_for(process.wait(), LOOK_SECONDS)
            except TimeoutError:
                heaviest = max(heaviest, load_per_processor())
                say(f"{job.name}: {_read(job.figures).get('inputs', 0):,} of {job.inputs:,} inputs")
    return judge(job, process.returncode, _read(job.figures), max(heaviest, load_per_processor()))


async def run_all(planned: list[Job], done: Callable[[Outcome], None]) -> list[Outcome]:
    places = asyncio.Semaphore(os.cpu_count() or 2)

    async def in_turn(job: Job) -> Outcome:
        async with places:
            outcome = await run(job)
        done(outcome)
        return outcome

    return list(await asyncio.gather(*map(in_turn, planned)))


def _read(file: Path) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads(file.read_bytes()) if file.exists() else {}
    return figures


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - the progress of a command that takes minutes


def tell(outcome: Outcome) -> None:
    say(
        f"{outcome.name}: {outcome.inputs:,} inputs, {outcome.inputs_per_second:,.0f} a second, the slowest "
        f"{outcome.slowest_seconds * 1_000:.0f} ms, {outcome.blocks_grown:,} blocks and "
        f"{outcome.resident_mebibytes_grown:.1f} MiB grown: {outcome.broken or 'held'}"
    )
    if outcome.broken:
        lines = (DIRECTORY / f"{outcome.name}.log").read_text(errors="replace").splitlines()
        say("\n".join([line for line in lines if not line.startswith(("INFO: ", "#"))][-TOLD_LINES:]))
        for found in sorted(DIRECTORY.glob(f"{outcome.name}-*-*")):
            say(f"to try it again: python -m tests.fuzz.reproduce {outcome.name} {found}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help="of the inputs; less than 1 is no whole run")
    share = parser.parse_args().share
    if find_spec("atheris") is None:
        say(
            "atheris is missing: it has wheels for Linux on x86-64 with Python 3.11 to 3.13, and `make fuzz` installs "
            "it there. Elsewhere `make test` tries the same targets with hypothesis, 5,000 inputs of them."
        )
        return 2
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    seed = random.SystemRandom().randrange(1, 2**31)
    begun = time.monotonic()
    outcomes = asyncio.run(run_all(jobs(DIRECTORY, share, seed), tell))
    total = sum(outcome.inputs for outcome in outcomes)
    held = total >= LEAST_INPUTS and not any(outcome.broken for outcome in outcomes)
    report = {
        "inputs": total,
        "seconds": round(time.monotonic() - begun, 1),
        "seed": seed,
        "held": held,
        "targets": [{**asdict(outcome), "held": not outcome.broken} for outcome in outcomes],
    }
    (DIRECTORY / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    say(f"{total:,} inputs in {report['seconds']:.0f} s: {'held' if held else 'NOT HELD'}; {DIRECTORY}/report.json")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
