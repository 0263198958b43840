"""Publishes the bundle: every webhook of our MutatingWebhookConfiguration trusts it through its caBundle.

The configuration is read first, the bundle after it, and the write has the configuration's version as precondition. So
a bundle is never written over a newer one, however long its writer was held up in between.
"""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from typing import Any, Final

from certs.store import FIELD_MANAGER
from cluster.client import STRATEGIC_PATCH, ApiClient
from model import names
from model.errors import CertificateError, Conflict, NotFound

ATTEMPTS: Final = 5
"""Tries against writers that come first. Replicas write the same bundle, so the second try already finds it there."""

INJECTOR_ANNOTATIONS: Final = ("cert-manager.io/inject-ca-from", "cert-manager.io/inject-ca-from-secret")
"""With one of them cert-manager's CA injector writes the caBundle, and nobody else may."""

_PATH: Final = f"/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/{names.WEBHOOK_CONFIGURATION}"

_log = logging.getLogger(__name__)


class Injection(Enum):
    """What came of it."""

    WRITTEN = "written"
    UNCHANGED = "unchanged"
    ABSENT = "absent"
    """There is no such configuration: a matter of the order in which things are installed, not an error."""


class BundleInjector:
    """Writes caBundle, and nothing else, and only where it differs."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client
        self._absence_is_logged = False

    async def inject(self, read_bundle: Callable[[], Awaitable[bytes]]) -> Injection:
        """`read_bundle` gives the bundle as it is stored now.

        Raises Conflict where others kept writing first in all attempts, CertificateError where cert-manager keeps the
        configuration, or whatever else the API refuses with.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._inject_once(read_bundle)
            except Conflict:
                if attempt == ATTEMPTS:
                    raise
        raise AssertionError("the last attempt returns or raises")

    async def _inject_once(self, read_bundle: Callable[[], Awaitable[bytes]]) -> Injection:
        configuration = await read_configuration(self._client)
        bundle_pem = await read_bundle()
        if configuration is None:
            self._log_absence()
            return Injection.ABSENT
        self._absence_is_logged = False
        if is_kept_by_cert_manager(configuration):
            raise CertificateError(
                f"MutatingWebhookConfiguration {names.WEBHOOK_CONFIGURATION} gets its caBundle from cert-manager; run"
                f" Stoker with --certificates=cert-manager, or remove the annotation {INJECTOR_ANNOTATIONS[0]}"
            )
        patch = build_patch(configuration, bundle_pem)
        if patch is None:
            return Injection.UNCHANGED
        await self._client.patch(_PATH, patch, STRATEGIC_PATCH, fieldManager=FIELD_MANAGER)
        _log.info("wrote caBundle into MutatingWebhookConfiguration %s", names.WEBHOOK_CONFIGURATION)
        return Injection.WRITTEN

    def _log_absence(self) -> None:
        if not self._absence_is_logged:
            _log.warning(
                "there is no MutatingWebhookConfiguration %s yet; apply the manifests, and it gets its caBundle",
                names.WEBHOOK_CONFIGURATION,
            )
        self._absence_is_logged = True


async def read_configuration(client: ApiClient) -> dict[str, Any] | None:
    """Our MutatingWebhookConfiguration; None where there is none."""
    try:
        configuration: dict[str, Any] = await client.get(_PATH)
    except NotFound:
        return None
    return configuration


def is_kept_by_cert_manager(configuration: Mapping[str, Any]) -> bool:
    annotations = configuration.get("metadata", {}).get("annotations") or {}
    return any(annotations.get(name) for name in INJECTOR_ANNOTATIONS)


def build_patch(configuration: Mapping[str, Any], bundle_pem: bytes) -> dict[str, Any] | None:
    """A strategic merge patch (it merges webhooks by name) with the version read as precondition; None if all agree."""
    different = [
        webhook["name"]
        for webhook in configuration.get("webhooks") or []
        if decode_bundle(webhook.get("clientConfig", {}).get("caBundle")) != bundle_pem
    ]
    if not different:
        return None
    encoded = base64.b64encode(bundle_pem).decode()
    return {
        "metadata": {"resourceVersion": configuration["metadata"]["resourceVersion"]},
        "webhooks": [{"name": name, "clientConfig": {"caBundle": encoded}} for name in different],
    }


def decode_bundle(encoded: str | None) -> bytes:
    """A caBundle as PEM; empty where there is none or it is not base64."""
    try:
        return base64.b64decode(encoded or "", validate=True)
    except (binascii.Error, ValueError):
        return b""
