"""A Tenancy that a test writes to."""

from __future__ import annotations

from collections.abc import Callable

from model.profiles import TenantProfile


class Tenants:
    """Namespaces and profiles as dictionaries; `on_wait` runs when the webhook starts to wait for a change."""

    def __init__(
        self,
        namespaces: dict[str, str | None] | None = None,
        *profiles: TenantProfile,
        on_wait: Callable[[Tenants], None] | None = None,
    ) -> None:
        self.namespaces = namespaces or {}
        self.profiles = {profile.name: profile for profile in profiles}
        self.unready: str | None = None
        self.waits = 0
        self.dead_leases: set[str] = set()
        self._on_wait = on_wait

    def ready(self) -> str | None:
        return self.unready

    def namespace_profile(self, namespace: str) -> str | None:
        return self.namespaces[namespace]

    def profile(self, name: str) -> TenantProfile | None:
        return self.profiles.get(name)

    def is_attended(self, lease: str) -> bool:
        return lease not in self.dead_leases

    async def changed(self, timeout_seconds: float) -> bool:
        self.waits += 1
        if self._on_wait is None:
            return False
        self._on_wait(self)
        return timeout_seconds > 0
