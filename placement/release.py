"""`stoker release`: open overdue gates when nothing else lives, by one list and one write a pod."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Final

import msgspec

from cluster import wire
from cluster.client import ApiClient
from cluster.clock import Clock
from cluster.waiting import has_our_gate, keep_document, waits
from model import names
from model.errors import Conflict, Expired, InvalidProfile, NotFound, StokerError
from model.profiles import TenantProfile
from placement.deadlines import deadline_of
from placement.gates import GateKeeper

log = logging.getLogger(__name__)

FAILED: Final = "failed"
PAGE_SIZE: Final = 500
WRITES_AT_ONCE: Final = 16
PROFILES: Final = f"/apis/{names.API_VERSION}/tenantprofiles"


@dataclass(frozen=True, slots=True)
class Release:
    """What became of one gated pod.

    `outcome` is `opened`, `not-due`, `would-open` (dry run), `changed` (edited or gone meanwhile) or `failed`;
    `overdue_seconds` is negative for what is left until the deadline, None where a mistake of ours kept it from being
    worked out or acted on.
    """

    namespace: str
    name: str
    outcome: str
    overdue_seconds: float | None


async def release(client: ApiClient, clock: Clock, *, everything: bool, dry_run: bool) -> list[Release]:
    """Open the gates whose deadline has passed, or all of them; those of others stay.

    Whatever goes wrong with one pod does not keep the others from being opened. A pod that is finished or being deleted
    has nothing to wait for, and is passed over.
    """
    profiles = await _profiles(client)
    slots = asyncio.Semaphore(WRITES_AT_ONCE)

    async def judge(pod: wire.Pod) -> Release:
        overdue = clock.now() - deadline_of(pod, profiles.get, clock)
        outcome = "not-due" if overdue < 0 and not everything else "would-open"
        if outcome == "would-open" and not dry_run:
            async with slots:
                outcome = await _open(client, pod)
        return Release(pod.metadata.namespace, pod.metadata.name, outcome, round(overdue, 1))

    async def settle(pod: wire.Pod) -> Release:
        try:
            return await judge(pod)
        except Exception:
            log.exception("%s stays gated", pod.metadata.key)
            return Release(pod.metadata.namespace, pod.metadata.name, FAILED, None)

    return await asyncio.gather(*[settle(pod) for pod in await _gated_pods(client)])


async def _open(client: ApiClient, pod: wire.Pod) -> str:
    try:
        await GateKeeper(client).let_through(pod)
    except (Conflict, NotFound) as error:
        log.info("left alone: %s", error)
        return "changed"
    except StokerError as error:
        log.error("%s stays gated: %s", pod.metadata.key, error)  # noqa: TRY400 - what was refused, not where
        return FAILED
    return "opened"


async def _gated_pods(client: ApiClient) -> list[wire.Pod]:
    """In pages; from the beginning again where the server has forgotten the version of the first."""
    while True:
        try:
            return [pod async for pod in _listed(client)]
        except Expired as error:
            log.info("listed again: %s", error)


async def _listed(client: ApiClient) -> AsyncIterator[wire.Pod]:
    token = ""
    while True:
        query: dict[str, str | int] = {"limit": PAGE_SIZE, "fieldSelector": "spec.nodeName="}
        if token:
            query["continue"] = token
        page = await client.get_as("/api/v1/pods", wire.ObjectList, **query)
        for raw in page.items:
            try:
                pod = msgspec.json.decode(raw, type=wire.Pod)
            except msgspec.MsgspecError as error:
                log.error("a pod that cannot be read is passed over: %s", error)  # noqa: TRY400 - the message says it
                continue
            keep_document(pod, partial(bytes, raw))
            if waits(pod) and has_our_gate(pod):
                yield pod
        token = page.metadata.continue_token
        if not token:
            return


async def _profiles(client: ApiClient) -> dict[str, TenantProfile]:
    """Those that can be read; a pod without its profile has the default deadline."""
    found: dict[str, TenantProfile] = {}
    try:
        page = await client.get_as(PROFILES, wire.ObjectList)
    except StokerError as error:
        log.warning("the profiles are not to be had, every pod has the default deadline: %s", error)
        return found
    for raw in page.items:
        try:
            item = msgspec.json.decode(raw, type=wire.TenantProfile)
            found[item.metadata.name] = TenantProfile.from_spec(item.metadata.name, item.spec)
        except (msgspec.MsgspecError, InvalidProfile) as error:
            log.warning("passed over: %s", error)
    return found
