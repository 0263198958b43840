"""A steady stream of creates that does not wait for its answers, and what became of each of them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from time import monotonic
from typing import Any, Final

from model import names
from model.errors import Conflict, StokerError

RETRY_SECONDS: Final = (0.5, 1.5)
"""Before a refused create is tried again, as a controller would; drawn, so that clients do not come all at once."""

WORKERS: Final = 200
"""Creates that are pursued at once; others wait for their turn. A steady load needs a tenth of them. In an outage they
keep the thousands that pile up from being a trouble of their own, as the workers of a controller do."""


GIVE_UP_SECONDS: Final = 180.0


class Cause(StrEnum):
    """Whose fault it is that a create was refused."""

    STOKER = "stoker"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class Try:
    """One request, on the monotonic clock; `cause` None: it created the pod."""

    asked_at: float
    answered_at: float
    cause: Cause | None = None
    text: str = ""


@dataclass(slots=True)
class Create:
    """A pod that somebody wants, with every try to create it."""

    name: str
    wanted_at: float
    tries: list[Try] = field(default_factory=list)

    @property
    def queued_seconds(self) -> float:
        """How long it waited for a worker."""
        return self.tries[0].asked_at - self.wanted_at if self.tries else 0.0

    @property
    def created(self) -> bool:
        return bool(self.tries) and self.tries[-1].cause is None

    @property
    def refusals(self) -> list[Try]:
        """Those that are Stoker's fault."""
        return [item for item in self.tries if item.cause is Cause.STOKER]


def cause_of(error: StokerError) -> Cause:
    """By the API server's message, which names the webhook that it could not ask or that refused, and the policy."""
    text = str(error)
    return Cause.STOKER if "stoker.dev" in text or "ValidatingAdmissionPolicy 'stoker" in text else Cause.CLUSTER


@dataclass(slots=True)
class Stream:
    """`send(name)` creates the pod of that name, or raises StokerError; the next is begun whatever became of others."""

    send: Callable[[str], Awaitable[Any]]
    per_second: float
    least: int
    """So many at least, and more until `enough` is set."""

    enough: asyncio.Event = field(default_factory=asyncio.Event)
    creates: list[Create] = field(default_factory=list)
    began_at: float = 0.0

    async def run(self) -> None:
        """Until every create has succeeded or was given up."""
        self.began_at, queue = monotonic(), asyncio.Queue[Create]()
        workers = [asyncio.create_task(self._work(queue)) for _ in range(WORKERS)]
        try:
            while len(self.creates) < self.least or not self.enough.is_set():
                create = Create(f"agent-{len(self.creates):05}", monotonic())
                self.creates.append(create)
                queue.put_nowait(create)
                await asyncio.sleep(max(0.0, self.began_at + len(self.creates) / self.per_second - monotonic()))
            await queue.join()
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    @property
    def share(self) -> float:
        """How much of `least` was wanted already; 1 and more when that is done."""
        return len(self.creates) / self.least

    @property
    def rate(self) -> float:
        """Creates a second that were really begun: by when each was first sent, not by when it was wanted."""
        sent = [create.tries[0].asked_at for create in self.creates if create.tries]
        return len(sent) / max(max(sent, default=self.began_at) - self.began_at, 0.001)

    async def _work(self, queue: asyncio.Queue[Create]) -> None:
        while True:
            create = await queue.get()
            try:
                await self._pursue(create)
            finally:
                queue.task_done()

    async def _pursue(self, create: Create) -> None:
        while monotonic() - create.wanted_at < GIVE_UP_SECONDS:
            tried = await self._try(create.name)
            create.tries.append(tried)
            if tried.cause is None:
                return
            await asyncio.sleep(random.uniform(*RETRY_SECONDS))  # noqa: S311 - spreads clients, guards nothing

    async def _try(self, name: str) -> Try:
        asked_at = monotonic()
        try:
            await self.send(name)
        except Conflict:
            return Try(asked_at, monotonic())  # an earlier try was carried out, though nobody was told
        except StokerError as error:
            return Try(asked_at, monotonic(), cause_of(error), str(error))
        return Try(asked_at, monotonic())


def missing_mutations(pod: dict[str, Any], profile: dict[str, Any]) -> list[str]:
    """What the stored pod lacks of what the profile says, in words."""
    spec, wanted = pod["spec"], profile["spec"]
    tolerated = {item.get("key") for item in spec.get("tolerations", ())}
    gates = {item["name"] for item in spec.get("schedulingGates", ())}
    checks = {
        "annotation": pod["metadata"].get("annotations", {}).get(names.PROFILE_ANNOTATION)
        == profile["metadata"]["name"],
        "runtime class": spec.get("runtimeClassName") == wanted["runtimeClassName"],
        "pull policy": all(item["imagePullPolicy"] == wanted["imagePullPolicy"] for item in spec["containers"]),
        "toleration": {item["key"] for item in wanted["tolerations"]} <= tolerated,
        "gate": set(wanted["schedulingGates"]) <= gates,
    }
    return [name for name, is_there in checks.items() if not is_there]


def slowest_seconds(creates: Sequence[Create], until: float) -> float:
    """From `until`, the end of a trouble, to the creation of the last pod that was wanted before it; or 0."""
    waiting = [item.tries[-1].answered_at for item in creates if item.created and item.wanted_at < until]
    return max((at - until for at in waiting if at > until), default=0.0)
