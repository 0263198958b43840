"""Which namespaces are tenants', which profiles there are, and which handler a runtime class names."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from cluster import metrics, wire
from cluster.leases import LeaseObserver
from model import names
from model.errors import InvalidProfile
from model.profiles import TenantProfile

log = logging.getLogger(__name__)


class Tenancy:
    """A view of namespaces, TenantProfiles and RuntimeClasses; answers from memory, in the event loop's thread.

    `complaint` says why the reflectors behind the view cannot be relied on, or None.
    """

    def __init__(self, complaint: Callable[[], str | None]) -> None:
        self.profiles: dict[str, TenantProfile] = {}
        self.ready = complaint
        self.leases = LeaseObserver()
        self.is_attended = self.leases.is_renewed
        self._namespaces: dict[str, str | None] = {}
        self._namespace_observers: list[Callable[[str], None]] = []
        self._handlers: dict[str, str] = {}
        self._change = asyncio.Event()

    def namespace_profile(self, namespace: str) -> str | None:
        """The profile that a namespace's label names; None without the label. KeyError: namespace not seen yet."""
        return self._namespaces[namespace]

    def is_tenants(self, namespace: str) -> bool:
        """Whether a namespace is known to be a tenant's."""
        return self._namespaces.get(namespace) is not None

    def on_namespace_change(self, observer: Callable[[str], None]) -> None:
        """Call `observer` with a namespace that has become a tenant's, or is one no more."""
        self._namespace_observers.append(observer)

    def profile(self, name: str) -> TenantProfile | None:
        return self.profiles.get(name)

    def handler_of(self, runtime_class: str | None) -> str:
        """The handler behind a RuntimeClass; empty for none.

        A class not seen yet is taken to be named as its handler, which is what kata-deploy's classes do.
        """
        return self._handlers.get(runtime_class, runtime_class) if runtime_class else ""

    async def changed(self, timeout_seconds: float) -> bool:
        """Wait for the next change of namespaces or profiles; False when there was none in time."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._change.wait()
        except TimeoutError:
            return False
        return True

    def namespace_changed(self, old: wire.Namespace | None, new: wire.Namespace | None) -> None:
        name = (new or old).metadata.name  # type: ignore[union-attr] # one of the two at least
        was_tenants = self.is_tenants(name)
        if new is not None:
            self._namespaces[name] = new.metadata.labels.get(names.PROFILE_LABEL)
        else:
            self._namespaces.pop(name, None)
        if self.is_tenants(name) != was_tenants:
            for observer in self._namespace_observers:
                observer(name)
        self._tell()

    def profile_changed(self, old: wire.TenantProfile | None, new: wire.TenantProfile | None) -> None:
        if new is not None:
            self._put_profile(new)
        elif old is not None:
            self.profiles.pop(old.metadata.name, None)
        self._tell()

    def runtime_class_changed(self, old: wire.RuntimeClass | None, new: wire.RuntimeClass | None) -> None:
        if old is not None:
            self._handlers.pop(old.metadata.name, None)
        if new is not None and new.handler:
            self._handlers[new.metadata.name] = new.handler

    def _put_profile(self, item: wire.TenantProfile) -> None:
        name = item.metadata.name
        try:
            self.profiles[name] = TenantProfile.from_spec(name, item.spec)
        except InvalidProfile as error:
            metrics.BAD_OBJECTS.labels("tenantprofiles").inc()
            log.warning("passed over, its pods are refused until it is mended: %s", error)
            self.profiles.pop(name, None)

    def _tell(self) -> None:
        self._change.set()
        self._change = asyncio.Event()
