"""What a person sees while Kubernetes is compiled: a live line on a terminal, now and then a plain one elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

PLAIN_SECONDS = 20
"""How often a log file gets a line: often enough for a watcher of a CI job, seldom enough for its reader."""


class Step:
    """One step under way; `count` of `unit` is written by whoever does it and read by whoever shows it."""

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self.count = 0

    def describe(self) -> str:
        return f"{self.count} {self.unit}" if self.count else ""


class BuildProgress:
    """Shows the steps of a build, one after the other, on `console` (standard error by default)."""

    def __init__(self, console: Console | None = None, *, plain_seconds: float = PLAIN_SECONDS) -> None:
        self.console = console or Console(stderr=True)
        self._plain_seconds = plain_seconds

    def say(self, sentence: str) -> None:
        self.console.print(sentence, highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def step(self, title: str, unit: str = "") -> Iterator[Step]:
        """Show `title` while the block runs; the block may count what it has done so far."""
        step = Step(unit)
        started = time.monotonic()
        shown = self._live(title, step) if self.console.is_terminal else self._plain(title, step, started)
        with shown:
            yield step
        seconds = time.monotonic() - started
        self.say(f"{title}: done in {seconds:.0f} s" + (f", {step.describe()}" if step.count else ""))

    @contextmanager
    def _live(self, title: str, step: Step) -> Iterator[None]:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[done]}"),
        )
        with Progress(*columns, console=self.console, transient=True) as progress:
            task = progress.add_task(title, total=None, done="")
            with _repeated(0.25, lambda: progress.update(task, done=step.describe())):
                yield

    @contextmanager
    def _plain(self, title: str, step: Step, started: float) -> Iterator[None]:
        self.say(f"{title} ...")
        with _repeated(
            self._plain_seconds,
            lambda: self.say(f"{title}: {time.monotonic() - started:.0f} s {step.describe()}".rstrip()),
        ):
            yield


@contextmanager
def _repeated(seconds: float, act: Callable[[], object]) -> Iterator[None]:
    """Call `act` every so many seconds from a thread while the block runs."""
    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(seconds):
            act()

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
