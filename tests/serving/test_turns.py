"""Between two requests that compute, the event loop looks at its sockets."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from serving.turns import Turns


async def test_of_many_that_can_go_on_one_does_in_each_turn_of_the_loop() -> None:
    turns, told = Turns(), list[str]()

    async def answer(name: str) -> None:
        await turns.mine()
        told.append(name)

    async def look_at_sockets() -> None:
        while len(told) < 9:
            told.append("sockets")
            await asyncio.sleep(0)

    await asyncio.gather(*(answer(name) for name in "abc"), look_at_sockets())
    answers = [index for index, name in enumerate(told) if name != "sockets"]
    assert [told[index] for index in answers] == ["a", "b", "c"]
    assert all("sockets" in told[one:other] for one, other in pairwise(answers))


async def test_somebody_who_gave_up_waiting_holds_up_nobody() -> None:
    turns, told = Turns(), list[str]()

    async def answer(name: str) -> None:
        await turns.mine()
        told.append(name)

    tasks = [asyncio.create_task(answer(name)) for name in "abc"]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert told == ["a", "c"]
