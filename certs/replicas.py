"""Which replicas there are, and from which CA each one's certificate comes: the ConfigMap `stoker-replicas`.

A CA may be dropped from the bundle when no replica that serves has a certificate of it. That is known because

- a replica writes its entry before it reads the CA Secret, so that whoever reads the Secret and then the entries misses
  nobody who still signs from an older one;
- a replica that has not read the Secret for `SILENT_SECONDS` says that it is not ready, and an entry that was not seen
  renewed for `GONE_SECONDS` (which leaves time for the readiness to take effect) counts no more: whoever is gone holds
  up nothing, and whoever was cut off serves nobody until it has read the Secret again.

Renewals are observed on the local monotonic clock; the times in the entries are for people.
"""

from __future__ import annotations

import platform
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Final

from cluster.client import ApiClient
from model import names
from model.errors import Conflict, NotFound

SILENT_SECONDS: Final = 120.0
GONE_SECONDS: Final = 300.0

_CONFIG_MAPS: Final = f"/api/v1/namespaces/{names.NAMESPACE}/configmaps"
_PATH: Final = f"{_CONFIG_MAPS}/{names.REPLICAS_CONFIG_MAP}"


class ReplicaRegistry:
    """This replica's entry, and its view of the others'."""

    def __init__(self, client: ApiClient, identity: str = "", *, monotonic: Callable[[], float] = monotonic) -> None:
        self.identity = identity or f"{platform.node()}.{secrets.token_hex(4)}"
        self._client = client
        self._monotonic = monotonic
        self._seen: dict[str, tuple[str, float]] = {}
        self._renewals = 0

    async def announce(self, authority: str) -> None:
        """Renew our entry: `authority` is the fingerprint of the CA we serve from, empty while we serve nothing.

        Entries of those that are gone are removed on the occasion.
        """
        self._renewals += 1
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        entry = f"{authority} {now} {self._renewals}"
        try:
            live = await self._client.patch(_PATH, {"data": {self.identity: entry}})
        except NotFound:
            live = await self._create(entry)
        self._look(live)
        await self._forget_the_gone(live)

    async def withdraw(self) -> None:
        """Remove our entry: we serve no more."""
        await self._client.patch(_PATH, {"data": {self.identity: None}})

    async def living(self) -> dict[str, str]:
        """The replicas not known to be gone, ours among them, each with its CA's fingerprint."""
        live = await self._client.get(_PATH)
        self._look(live)
        gone = self._gone()
        return {name: authority for name, authority in read_entries(live).items() if name not in gone}

    async def _create(self, entry: str) -> dict[str, Any]:
        labels = {"app.kubernetes.io/name": "stoker", "app.kubernetes.io/managed-by": "stoker"}
        metadata = {"name": names.REPLICAS_CONFIG_MAP, "namespace": names.NAMESPACE, "labels": labels}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {self.identity: entry}}
        try:
            created: dict[str, Any] = await self._client.create(_CONFIG_MAPS, body)
        except Conflict:  # another replica was first
            created = await self._client.patch(_PATH, {"data": {self.identity: entry}})
        return created

    def _look(self, live: Mapping[str, Any]) -> None:
        now, entries = self._monotonic(), live.get("data") or {}
        unchanged = {name: seen for name, seen in self._seen.items() if entries.get(name) == seen[0]}
        self._seen = {name: unchanged.get(name, (entry, now)) for name, entry in entries.items()}

    def _gone(self) -> set[str]:
        now = self._monotonic()
        return {name for name, (_, at) in self._seen.items() if now - at >= GONE_SECONDS and name != self.identity}

    async def _forget_the_gone(self, live: Mapping[str, Any]) -> None:
        """With the version read as precondition: one that came back meanwhile keeps its entry."""
        if gone := self._gone():
            version = live["metadata"]["resourceVersion"]
            body = {"metadata": {"resourceVersion": version}, "data": dict.fromkeys(gone)}
            try:
                await self._client.patch(_PATH, body)
            except Conflict:
                return  # they are looked at again with the next renewal


async def read_replicas(client: ApiClient) -> dict[str, str]:
    """Every entry with its CA's fingerprint, whether its replica lives or not; empty where nobody has announced."""
    try:
        return read_entries(await client.get(_PATH))
    except NotFound:
        return {}


def read_entries(live: Mapping[str, Any]) -> dict[str, str]:
    """The CA's fingerprint by replica."""
    return {name: entry.partition(" ")[0] for name, entry in (live.get("data") or {}).items()}
