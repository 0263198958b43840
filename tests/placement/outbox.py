"""A dispatch at work, and writes that need no API."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from cluster import wire
from model import names
from placement.dispatch import Dispatch, Write
from tests.cluster.objects import pod as unversioned


def pod(version: str = "v0", *, gated: bool = True, name: str = "p1") -> wire.Pod:
    spec = {"schedulingGates": [{"name": names.WARM_NODE_GATE}]} if gated else {}
    made = unversioned(name, spec=spec)
    made.metadata.resource_version = version
    return made


class Outbox:
    """A dispatch, how often it woke its controller, and the writes that worked."""

    def __init__(self) -> None:
        self.woken = 0
        self.done: list[str] = []
        self.failed: list[str] = []
        self.may_write = True
        self.dispatch = Dispatch(self._wake, lambda: self.may_write)

    def send(
        self,
        sent: wire.Pod,
        work: Callable[[], Awaitable[str]],
        node: str = "",
        *,
        rank: tuple[float, ...] | None = (),
        needs_lead: bool = True,
    ) -> None:
        """As a nomination, all of one rank, unless something else is said."""
        done = partial(self.done.append, sent.metadata.name)
        self.dispatch.send(Write(sent, work, "test", done, node, rank, needs_lead))

    def note(self, sent: wire.Pod, work: Callable[[], Awaitable[str]]) -> None:
        write = Write(sent, work, "test", lambda: self.done.append(sent.metadata.name))
        self.dispatch.note(write, lambda: self.failed.append(sent.metadata.name))

    def is_held(self, seen: wire.Pod) -> bool:
        """Whether the pod, as the watch shows it now, is still not to be decided on."""
        self.dispatch.settle({seen.metadata.uid: seen})
        return self.dispatch.holds(seen)

    async def quiet(self) -> None:
        """Until nothing is being written."""
        async with asyncio.timeout(10):
            while self.dispatch.is_writing:  # noqa: ASYNC110 - the tasks end by themselves
                await asyncio.sleep(0)

    def _wake(self) -> None:
        self.woken += 1


async def answer(version: str = "v1") -> str:
    return version


async def refuse(error: Exception) -> str:
    raise error
