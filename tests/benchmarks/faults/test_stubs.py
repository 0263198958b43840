"""The stub in the extender's place answers as a healthy one would, or as no extender should."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from benchmarks.faults.stubs import Stub, garbage, hang

QUESTION: dict[str, Any] = {"Pod": {}, "Nodes": None, "NodeNames": ["a", "b"]}


async def asked(stub: Stub, verb: str, seconds: float = 20.0) -> bytes:
    timeout = aiohttp.ClientTimeout(total=seconds)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.post(f"{stub.url}/{verb}", json=QUESTION) as it,
    ):
        return await it.read()


async def test_without_a_fault_every_node_passes_with_the_same_score() -> None:
    async with Stub().serving() as stub:
        assert await asked(stub, "filter") == b'{"NodeNames": ["a", "b"]}'
        assert await asked(stub, "prioritize") == b'[{"Host": "a", "Score": 5}, {"Host": "b", "Score": 5}]'


async def test_garbage_is_a_200_that_nobody_can_read() -> None:
    async with Stub(garbage).serving() as stub:
        assert (await asked(stub, "filter")).startswith(b"\x00")


async def test_who_hangs_has_heard_the_question_and_answers_never() -> None:
    async with Stub(hang).serving() as stub:
        with pytest.raises(TimeoutError):
            await asked(stub, "filter", 0.2)
        assert stub.asked == 1
