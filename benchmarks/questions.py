"""The benches of the scheduler's questions: `prioritize`, `image-sets`, `filter` and `growth`.

Both sides are asked the same bytes over HTTP, in turn. Stoker really forecasts: the nodes have fifty images each, a
tenth of them those of the pod, and while it is measured a hundred nodes a second change. The opponent decodes the
question and answers a constant; nothing changes while it is asked, since it would not notice. That the nodes did change
and that every answer was a forecast are claims: a neutral answer takes less time.

No question names the nodes in the order of one shortly before: kube-scheduler filters them in parallel, so their order
is another one for each pod. (It asks about each pod twice, to filter and to prioritize, by the same list; here every
question is the first one.)
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import msgspec

from benchmarks import floors
from benchmarks.crowd import other_image
from benchmarks.documents import question
from benchmarks.load import NUMBER, Answers, Generator, Load, in_turn
from benchmarks.parties import Party, go_extender, stoker_extender
from benchmarks.report import Bench, Comparison, middle
from benchmarks.setting import Setting
from benchmarks.world import World
from lab.constants import Constants

CHANGES_PER_SECOND: Final = 100
IMAGE_SETS: Final = 50
ORDERS: Final = 20
"""Of the same nodes, in turn; Stoker remembers fewer."""

REQUESTS: Final = 1_000
GROWTH: Final = (1_000, 5_000, 15_000)
ROLLOUT_CHANGES_PER_SECOND: Final = 1_000
"""Every node reports other images, as when an image is preloaded everywhere."""

BARE_SHARE: Final = 0.4
"""Of the nodes that have no Kata, where /filter has something to refuse."""

NOTICE_SECONDS: Final = 0.2
"""In which the last change has long arrived; what it costs may fall on the questions that follow."""

MILLISECONDS: Final = "milliseconds"
FORECAST: Final = "forecast"
"""What an answer rests on that is not neutral, as the extender's metric has it."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Both sides at the same nodes, and who asks them."""

    world: World
    ours: Party
    theirs: Party
    generator: Generator

    @classmethod
    @asynccontextmanager
    async def start(cls, setting: Setting) -> AsyncIterator[Pair]:
        async with AsyncExitStack() as stack:
            setting.tell(f"starting both sides with {setting.nodes} nodes")
            world = await stack.enter_async_context(World.start(setting.constants, setting.nodes))
            kubeconfig = world.kubeconfig(setting.directory)
            ours = await stack.enter_async_context(stoker_extender(kubeconfig, setting.directory))
            theirs = await stack.enter_async_context(go_extender(setting.opponents.extender, setting.directory))
            yield cls(world, ours, theirs, setting.generator())

    async def compare(self, verb: str, load: Load, rounds: int) -> tuple[list[Answers], list[Answers], dict[str, bool]]:
        """What both sides answered, and what has to be so for that to count."""

        async def ours() -> Answers:
            async with self.world.changing(CHANGES_PER_SECOND):
                return await self.generator.send(f"{self.ours.url}/{verb}", load)

        async def theirs() -> Answers:
            return await self.generator.send(f"{self.theirs.url}/{verb}", load)

        await in_turn({"ours": ours, "theirs": theirs}, 1)  # connections, caches and code paths are warm after it
        before = await forecasts(self.ours, verb)
        found = await in_turn({"ours": ours, "theirs": theirs}, rounds)
        claims = {
            "changes_told": self.world.changes.were_told,
            "all_forecasts": are_all(found["ours"], await forecasts(self.ours, verb) - before),
        }
        return found["ours"], found["theirs"], claims


async def prioritize(setting: Setting) -> Bench:
    async with Pair.start(setting) as pair:
        bodies = _questions(setting, pair.world)
        different = await _scores(pair.ours, bodies[0])
        load = Load(bodies, requests=REQUESTS, seconds=setting.seconds)
        ours, theirs, claims = await pair.compare("prioritize", load, setting.rounds)
    return Bench(
        "prioritize",
        compared(ours, theirs, floors.PRIORITIZE_P50),
        {"p99": compared(ours, theirs, floors.PRIORITIZE_P99, of=p99)},
        {"forecast_computed": len(different) > 1, **claims},
        _details(ours, theirs),
    )


async def filter_nodes(setting: Setting) -> Bench:
    """All nodes pass; and then, since many have lost the handler, not all do."""
    async with Pair.start(setting) as pair:
        bodies = _questions(setting, pair.world)
        load = Load(bodies, requests=REQUESTS, seconds=setting.seconds)
        ours, theirs, claims = await pair.compare("filter", load, setting.rounds)
        await pair.world.take_kata_from(BARE_SHARE)
        bare, unmoved, further = await pair.compare("filter", load, setting.rounds)
        refused = len(await _refused(pair.ours, bodies[0])) / setting.nodes
    return Bench(
        "filter",
        compared(ours, theirs, floors.FILTER_P50),
        {"many_refused": compared(bare, unmoved, floors.FILTER_P50)},
        {
            **{name: claims[name] and further[name] for name in claims},
            "many_were_refused": refused > 0.9 * BARE_SHARE,
        },
        _details(ours, theirs),
    )


async def image_sets(setting: Setting) -> Bench:
    """Fifty kinds of pods in turn; and the same, each once, after the profile of all has changed, and after every node
    has."""
    async with Pair.start(setting) as pair:
        orders = in_other_orders(pair.world.names, IMAGE_SETS)
        bodies = [question((image,), names) for image, names in zip(other_images(IMAGE_SETS), orders, strict=True)]
        load = Load(bodies, requests=REQUESTS, seconds=setting.seconds)
        ours, theirs, claims = await pair.compare("prioritize", load, setting.rounds)
        once = Load(bodies, requests=len(bodies) + 1, seconds=60)

        async def after_profile() -> Answers:
            await pair.world.change_profile()
            await asyncio.sleep(NOTICE_SECONDS)
            return await pair.generator.send(f"{pair.ours.url}/prioritize", once)

        async def after_rollout() -> Answers:
            await pair.world.change_every_node(ROLLOUT_CHANGES_PER_SECOND)
            await asyncio.sleep(NOTICE_SECONDS)
            return await pair.generator.send(f"{pair.ours.url}/prioritize", once)

        async def untouched() -> Answers:
            return await pair.generator.send(f"{pair.theirs.url}/prioritize", once)

        sides = {"profile": after_profile, "rollout": after_rollout, "theirs": untouched}
        before = await forecasts(pair.ours, "prioritize")
        touched = await in_turn(sides, setting.rounds)
        grown = await forecasts(pair.ours, "prioritize") - before
        claims["all_forecasts"] &= are_all([*touched["profile"], *touched["rollout"]], grown)
    return Bench(
        "image-sets",
        compared(ours, theirs, floors.IMAGE_SETS_P50),
        {
            f"after_{event}": compared(touched[event], touched["theirs"], floors.IMAGE_SETS_P50)
            for event in ("profile", "rollout")
        },
        claims,
        details=_details(ours, theirs),
    )


async def growth(setting: Setting) -> Bench:
    """Stoker with Stoker: the time of an answer by the number of nodes."""
    async with AsyncExitStack() as stack:
        sides: dict[str, Callable[[], Awaitable[Answers]]] = {}
        parties: dict[str, Party] = {}
        for count in GROWTH:
            setting.tell(f"starting Stoker with {count} nodes")
            directory = setting.directory / str(count)
            directory.mkdir()
            world = await stack.enter_async_context(World.start(setting.constants, count))
            party = await stack.enter_async_context(stoker_extender(world.kubeconfig(directory), directory))
            sides[str(count)], parties[str(count)] = _asking(setting, world, party), party
        await in_turn(sides, 1)
        before = {name: await forecasts(party, "prioritize") for name, party in parties.items()}
        found = await in_turn(sides, setting.rounds)
        grown = {name: await forecasts(party, "prioritize") - before[name] for name, party in parties.items()}
    small, usual, large = (found[str(count)] for count in GROWTH)
    return Bench(
        "growth",
        compared(large, usual, floors.GROWTH_TO_15_000),
        {"to_1000_nodes": compared(small, usual, floors.GROWTH_TO_1_000)},
        {"all_forecasts": all(are_all(found[name], grown[name]) for name in found)},
        {
            "unit": MILLISECONDS,
            "rounds": {name: [_row(item) for item in items] for name, items in found.items()},
        },
    )


def _asking(setting: Setting, world: World, party: Party) -> Callable[[], Awaitable[Answers]]:
    generator = setting.generator()
    load = Load(_questions(setting, world), requests=REQUESTS, seconds=setting.seconds / 2)

    async def ask() -> Answers:
        return await generator.send(f"{party.url}/prioritize", load)

    return ask


def _questions(setting: Setting, world: World) -> list[bytes]:
    images = tenants_images(setting.constants)
    return [question(images, names) for names in in_other_orders(world.names, ORDERS)]


def in_other_orders(names: Sequence[str], count: int) -> list[list[str]]:
    """So many of them, always the same."""
    luck = random.Random(count)  # noqa: S311 - an order, nothing to guard
    return [luck.sample(names, len(names)) for _ in range(count)]


async def forecasts(party: Party, verb: str) -> int:
    """How many of its answers were forecasts until now."""
    return (await party.answered(verb)).get(FORECAST, 0)


def are_all(answers: Sequence[Answers], count: int) -> bool:
    """Whether so many forecasts leave no request, the untimed first ones included, to anything else."""
    return count >= sum(item.sent for item in answers)


def compared(
    ours: Sequence[Answers], theirs: Sequence[Answers], most: float, *, of: Callable[[Answers], float] | None = None
) -> Comparison:
    """The medians over the rounds of one figure of each round, in milliseconds; p50 where nothing else is said."""
    figure = of or p50
    return Comparison(
        middle([figure(item) for item in ours]), middle([figure(item) for item in theirs]), most, less_is_better=True
    )


def p50(answers: Answers) -> float:
    return answers.p50


def p99(answers: Answers) -> float:
    return answers.p99


def tenants_images(constants: Constants) -> tuple[str, str]:
    load = constants.demo.load.tenant
    return constants.images[load.image].reference, constants.images[load.init_image].reference


def other_images(count: int) -> list[str]:
    """Of those that the nodes have at random, so that each kind of pod has nodes of its own."""
    return list(map(other_image, range(count)))


async def _scores(party: Party, body: bytes) -> set[int]:
    """The different scores in an answer: of a forecast there are several."""
    return {item["Score"] for item in await _asked(party, "prioritize", body)}


async def _refused(party: Party, body: bytes) -> dict[str, str]:
    """The nodes that an answer refuses, and why."""
    refused: dict[str, str] = (await _asked(party, "filter", body))["FailedAndUnresolvableNodes"]
    return refused


async def _asked(party: Party, verb: str, body: bytes) -> Any:
    """The answer to one question."""
    headers = {"Content-Type": "application/json"}
    body = body.replace(NUMBER.encode(), b"0")
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{party.url}/{verb}", data=body, headers=headers) as response,
    ):
        return msgspec.json.decode(await response.read())


def _details(ours: Sequence[Answers], theirs: Sequence[Answers]) -> dict[str, object]:
    sides = {"ours": ours, "theirs": theirs}
    return {"unit": MILLISECONDS, "rounds": {name: [_row(item) for item in items] for name, items in sides.items()}}


def _row(answers: Answers) -> dict[str, float]:
    return {"requests": len(answers.milliseconds), "p50": round(answers.p50, 3), "p99": round(answers.p99, 3)}
