"""A cluster in memory for replicas that keep their certificates: at every call to its API others may go on.

Time is true seconds; each replica's own clock is off by an offset. Nothing here knows how a rollover works: it keeps
what an API server keeps, and says at every moment who would be asked and what he would have to show.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from certs.authority import CertificateAuthority, KeyPair
from certs.injection import decode_bundle
from certs.serving import ServingTls
from certs.sources import SelfManaged
from certs.store import StoredAuthority, build_secret, parse_secret
from cluster.client import ApiClient
from model import names
from model.errors import Conflict, ConnectionFailed, NotFound, StokerError
from tests.certs.builders import NOW
from tests.certs.conftest import CONFIGURATION, SECRET

LAG_SECONDS: Final = 300.0
"""For so long an API server may go on with a webhook configuration that was replaced."""

STILL_ASKED_SECONDS: Final = 60.0
"""For so long a replica is asked after it has ceased to be ready: probes, and the way to every endpoint."""


class _Turn:
    def __await__(self) -> Generator[None, None, None]:
        yield


class Tls(ServingTls):
    """Remembers what it is to show, and leaves OpenSSL out of it."""

    def __init__(self) -> None:
        self._shown: KeyPair | None = None

    @property
    def pair(self) -> KeyPair | None:
        return self._shown

    def serve(self, pair: KeyPair) -> None:
        self._shown = pair

    def trust(self, clients_pem: bytes) -> None:
        """Clients are another test's subject."""


class Api(ApiClient):
    """One replica's connection: each call takes effect between two turns, so that a crash may come before or after."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.cut_off = False

    async def get(self, path: str, **_: str | int) -> Any:
        return await self._call(lambda: self._world.get(path), path)

    async def create(self, path: str, body: Any, **_: str | int) -> Any:
        return await self._call(lambda: self._world.create(path, body), path)

    async def patch(self, path: str, body: Any, content_type: str = "", **_: str | int) -> Any:
        del content_type  # what is sent tells which patch it is
        return await self._call(lambda: self._world.patch(path, body), path)

    async def _call(self, take_effect: Callable[[], Any], path: str) -> Any:
        await _Turn()
        if self.cut_off:
            raise ConnectionFailed(f"{path}: cut off")
        answer = take_effect()
        await _Turn()
        return answer


class Replica:
    """One that keeps its certificates in rounds, a turn at a time."""

    def __init__(self, world: World, offset_seconds: float) -> None:
        self._world = world
        self._offset = timedelta(seconds=offset_seconds)
        self.api = Api(world)
        self.tls = Tls()
        self._behind_seconds = 0.0
        self.source = SelfManaged(self.api, self.tls, monotonic=lambda: world.seconds - self._behind_seconds)
        self._round: Coroutine[Any, Any, Any] | None = None

    def turn(self) -> bool:
        """Go on to the next call; False at the end of a round."""
        if self._round is None:
            self._round = self.source.refresh(self._world.now + self._offset)
        try:
            self._round.send(None)
        except (StopIteration, StokerError):
            self._round = None
            return False
        return True

    def finish_round(self) -> None:
        while self.turn():
            self._world.check()

    def crash(self) -> None:
        if self._round is not None:
            self._round.close()
        self._round = None

    def withdraw(self) -> None:
        self.crash()
        self._round = self.source.withdraw()
        while self.turn():
            self._world.check()

    def is_asked(self) -> bool:
        """It is ready, or was so a short while ago."""
        self._behind_seconds = STILL_ASKED_SECONDS
        try:
            return self.source.complaint() is None
        finally:
            self._behind_seconds = 0.0


@dataclass
class World:
    """What the API server stores, who runs, and what must hold at every moment."""

    authority: CertificateAuthority
    start: datetime = NOW
    seconds: float = 0.0
    replicas: list[Replica] = field(default_factory=list)
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    _version: int = 0
    _published: list[tuple[bytes, float]] = field(default_factory=list)
    """Bundles with the time at which each was replaced; infinite for the one that holds."""

    def __post_init__(self) -> None:
        stored = StoredAuthority(self.authority, self.authority.pair.certificate_pem)
        secret = build_secret(stored)
        self._put(SECRET, secret)
        bundle = secret["data"]["ca.crt"]
        webhook = {"name": "pods.stoker.dev", "clientConfig": {"url": "https://127.0.0.1/", "caBundle": bundle}}
        self._put(CONFIGURATION, {"metadata": {"name": names.WEBHOOK_CONFIGURATION}, "webhooks": [webhook]})

    @property
    def now(self) -> datetime:
        return self.start + timedelta(seconds=self.seconds)

    @property
    def stored(self) -> StoredAuthority:
        return parse_secret(self.objects[SECRET])

    def get(self, path: str) -> Any:
        if path not in self.objects:
            raise NotFound(path, status=404)
        return copy.deepcopy(self.objects[path])

    def create(self, collection: str, body: Any) -> Any:
        path = f"{collection}/{body['metadata']['name']}"
        if path in self.objects:
            raise Conflict(path, status=409)
        return self._put(path, body)

    def patch(self, path: str, body: Any) -> Any:
        live = self.get(path)
        version = body.get("metadata", {}).get("resourceVersion")
        if version not in (None, live["metadata"]["resourceVersion"]):
            raise Conflict(path, status=409)
        return self._put(path, _merged(live, body))

    def rotate(self, wait_seconds: int) -> None:
        self.patch(SECRET, {"metadata": {"annotations": {names.ROLLOVER_WAIT_ANNOTATION: str(wait_seconds)}}})

    def check(self) -> None:
        """No API server may distrust what a replica that it asks would show."""
        bundles = [bundle for bundle, until in self._published if self.seconds - until < LAG_SECONDS]
        for replica in self.replicas:
            if replica.tls.pair is not None and replica.is_asked():
                for bundle in bundles:
                    assert _verifies(bundle, replica.tls.pair), f"{replica.source} at {self.seconds}"

    def _put(self, path: str, body: Any) -> Any:
        self._version += 1
        self.objects[path] = copy.deepcopy(body)
        self.objects[path]["metadata"]["resourceVersion"] = str(self._version)
        if path == CONFIGURATION:
            self._publish(decode_bundle(body["webhooks"][0]["clientConfig"]["caBundle"]))
        return self.get(path)

    def _publish(self, bundle: bytes) -> None:
        if self._published:
            self._published[-1] = (self._published[-1][0], self.seconds)
        self._published.append((bundle, float("inf")))


def _merged(live: Any, patch: Any) -> Any:
    """A merge patch, and a strategic one for lists of what has a name."""
    if isinstance(patch, list):
        changes = {item["name"]: item for item in patch}
        return [_merged(item, changes.get(item["name"], {})) for item in live]
    if not isinstance(patch, dict):
        return patch
    result = dict(live or {})
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merged(result.get(key), value)
    return result


@lru_cache(maxsize=1024)
def _verifies(bundle_pem: bytes, leaf: KeyPair) -> bool:
    return any(_issued(authority, leaf) for authority in x509.load_pem_x509_certificates(bundle_pem))


def _issued(authority: x509.Certificate, leaf: KeyPair) -> bool:
    try:
        leaf.certificate.verify_directly_issued_by(authority)
    except InvalidSignature:
        return False
    return True
