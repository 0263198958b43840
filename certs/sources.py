"""Where the serving certificate comes from: signed by our own CA, or read from files that somebody else keeps."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Final, Protocol

from certs import metrics
from certs.authority import KeyPair, fingerprint
from certs.injection import BundleInjector, Injection
from certs.renewal import is_due
from certs.replicas import SILENT_SECONDS, ReplicaRegistry
from certs.rollover import Phase, apply, next_step, phase_of
from certs.serving import IDENTITIES, ServingTls
from certs.store import AuthorityStore, StoredAuthority, split_bundle
from cluster.client import ApiClient
from model import names
from model.errors import CertificateError, Conflict, SpoiltSecret, StokerError

CHECK_SECONDS: Final = 30.0
"""A deleted Secret or a caBundle that somebody overwrote is noticed within this time; it costs two small reads."""

INSTALLATION_CHECK_SECONDS: Final = 5.0
"""The same while there is no webhook configuration, so that an installation is soon complete; and in a rollover."""

STEP_SECONDS: Final = 1.0
"""After a step of a rollover, to see what it made necessary."""

FILES_CHECK_SECONDS: Final = 10.0
"""A mounted Secret is renewed by the kubelet about once a minute anyway."""

_log = logging.getLogger(__name__)


class CertificateSource(Protocol):
    """One round at a time; the keeper repeats them."""

    async def refresh(self, now: datetime) -> float:
        """Bring everything up to date; return the seconds until the next look. Raises StokerError where that failed."""
        ...

    async def withdraw(self) -> None:
        """To be called when this replica serves no more."""
        ...

    def complaint(self) -> str | None:
        """Why this replica should not be asked, although it has a certificate."""
        ...


class SelfManaged:
    """The CA from its Secret, a leaf of this replica's own in memory, the bundle in the webhook configuration.

    Each round also takes the step of a rollover that is due, if no other replica did.
    """

    def __init__(
        self,
        client: ApiClient,
        tls: ServingTls,
        *,
        extra_identities: Sequence[str] = (),
        check_seconds: float = CHECK_SECONDS,
        monotonic: Callable[[], float] = monotonic,
    ) -> None:
        """`extra_identities` are further DNS names and addresses under which this replica is reached."""
        self._store = AuthorityStore(client)
        self._injector = BundleInjector(client)
        self._registry = ReplicaRegistry(client, monotonic=monotonic)
        self._tls = tls
        self._identities = tuple(dict.fromkeys((*IDENTITIES, *extra_identities)))
        self._check_seconds = check_seconds
        self._monotonic = monotonic
        self._stored: StoredAuthority | None = None
        self._followed_at = monotonic()
        """When the Secret was asked for that the certificate follows; it may have changed since, however late the
        answer was looked at. From a spoilt one no rollover goes on, so what was followed before it still holds."""

        self._serves = ""
        self._announced: str | None = None

    async def refresh(self, now: datetime) -> float:
        """The certificate is kept whatever else fails; StokerError tells of the first thing that did."""
        began_at = self._monotonic()
        unannounced = await self._announce()
        asked_at = self._monotonic()
        stored = self._stored = await self._read(now, asked_at)
        self._serve(stored, now)
        self._followed_at = asked_at
        if self._serves != self._announced:
            unannounced = await self._announce()
        injection = await self._injector.inject(self._read_bundle)
        if injection is Injection.WRITTEN:
            metrics.BUNDLE_WRITES.inc()
        if unannounced is not None:
            raise unannounced
        # Dated by when the bundles were found published: this process may have stood still since the round began.
        later = now + timedelta(seconds=self._monotonic() - began_at)
        stepped = await self._step(self._stored or stored, injection, later)
        return self._pause_seconds(injection, stepped)

    async def withdraw(self) -> None:
        """Tell the other replicas that this one serves no more; to be called when it does not."""
        if self._announced is None:
            return
        try:
            await self._registry.withdraw()
        except StokerError as error:
            _log.warning(
                "this replica's entry stays in %s until it counts as gone: %s", names.REPLICAS_CONFIG_MAP, error
            )

    def complaint(self) -> str | None:
        """Why others may count this replica as gone: it has not seen the CA Secret for long (`certs/replicas.py`)."""
        silent_seconds = self._monotonic() - self._followed_at
        if silent_seconds < SILENT_SECONDS:
            return None
        return f"the CA was last read {silent_seconds:.0f} s ago, so that it may have been replaced since"

    async def _read(self, now: datetime, asked_at: float) -> StoredAuthority:
        try:
            return await self._store.ensure(now)
        except SpoiltSecret:
            self._followed_at = asked_at
            raise

    async def _announce(self) -> StokerError | None:
        """An error is raised as long as nobody knows of this replica: it may not begin to serve then."""
        try:
            await self._registry.announce(self._serves)
        except StokerError as error:
            if self._announced is None:
                raise
            return error
        self._announced = self._serves
        return None

    def _serve(self, stored: StoredAuthority, now: datetime) -> None:
        metrics.EXPIRY.labels("ca").set(stored.authority.pair.expires.timestamp())
        self._tls.trust(stored.bundle_pem)
        if is_due(self._tls.pair, stored.certificate, now):
            leaf = stored.authority.issue(names.SERVICE, now=now, identities=self._identities)
            _put_into_service(leaf, self._tls)
        self._serves = fingerprint(stored.certificate)

    async def _read_bundle(self) -> bytes:
        stored = await self._store.read()
        if stored is None:
            raise CertificateError(f"the Secret {names.NAMESPACE}/{names.CA_SECRET} is gone; another is made at once")
        self._stored = stored
        return stored.bundle_pem

    async def _step(self, stored: StoredAuthority, injection: Injection, now: datetime) -> bool:
        """Take the step that is due; whether there was one."""
        confirming = phase_of(stored) is Phase.CONFIRMING
        replicas = await self._registry.living() if confirming else {}
        verdict = next_step(stored, published=injection is not Injection.WRITTEN, replicas=replicas, now=now)
        for phase in Phase:
            metrics.ROLLOVER_PHASE.labels(phase.value).set(phase is verdict.phase)
        if verdict.action is None:
            return False
        try:
            await self._store.replace(apply(verdict.action, stored, now))
        except Conflict:
            return True  # another replica took it
        metrics.ROLLOVER_STEPS.labels(verdict.action.value).inc()
        fields = {"phase": verdict.phase, "step": verdict.action, "why": verdict.reason}
        _log.info("rollover of the CA", extra={"fields": fields})
        return True

    def _pause_seconds(self, injection: Injection, stepped: bool) -> float:
        if stepped:
            return min(STEP_SECONDS, self._check_seconds)
        moving = self._stored is not None and phase_of(self._stored) is not Phase.STEADY
        if moving or injection is Injection.ABSENT:
            return min(INSTALLATION_CHECK_SECONDS, self._check_seconds)
        return self._check_seconds


class Files:
    """A certificate and its key in two files, read again and again.

    Contents are compared, not times: the kubelet exchanges mounted files by a symlink, and times may stay the same.
    """

    def __init__(self, certificate: Path, key: Path, tls: ServingTls, *, client_ca: Path | None = None) -> None:
        """`client_ca`: the authorities of clients that are let in where certificates are demanded."""
        self._certificate = certificate
        self._key = key
        self._client_ca = client_ca
        self._tls = tls

    async def refresh(self, now: datetime) -> float:
        """CertificateError, and the old pair stays, where the files cannot be read or do not (yet) match."""
        if self._client_ca is not None:
            self._trust(self._client_ca)
        pair = self._read()
        if pair != self._tls.pair:
            if now >= pair.expires:
                _log.warning("%s expired at %s; it is served all the same", self._certificate, pair.expires)
            try:
                _put_into_service(pair, self._tls)
            except CertificateError as error:
                raise CertificateError(f"{self._certificate} and {self._key}: {error}; mend the files") from error
        return FILES_CHECK_SECONDS

    async def withdraw(self) -> None:
        """Nobody waits for a replica whose certificate somebody else keeps."""

    def complaint(self) -> str | None:
        return None

    def _trust(self, client_ca: Path) -> None:
        bundle_pem = _read_file(client_ca)
        try:
            first_to_expire = min(certificate.not_valid_after_utc for certificate in split_bundle(bundle_pem))
        except CertificateError as error:
            raise CertificateError(f"{client_ca} holds no PEM certificates; mend the file") from error
        self._tls.trust(bundle_pem)
        metrics.EXPIRY.labels("clients").set(first_to_expire.timestamp())

    def _read(self) -> KeyPair:
        pair = KeyPair(_read_file(self._certificate), _read_file(self._key))
        try:
            pair.certificate  # noqa: B018 - it is read to see whether it can be
        except CertificateError as error:
            raise CertificateError(f"{self._certificate}: {error}; mend the file") from error
        return pair


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        flags = "--tls-cert-file and --tls-key-file (or --client-ca-file)"
        raise CertificateError(f"{path} cannot be read ({error.strerror}); check {flags}") from error


def _put_into_service(pair: KeyPair, tls: ServingTls) -> None:
    tls.serve(pair)
    metrics.RENEWALS.inc()
    metrics.EXPIRY.labels("leaf").set(pair.expires.timestamp())
    _log.info("serving a certificate that is valid until %s", pair.expires.isoformat())
