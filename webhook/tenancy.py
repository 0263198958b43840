"""Which profile a namespace has, as far as the watches have got.

The API server asks about labelled namespaces only. A namespace or profile that is not seen here is therefore most
likely newer than our watch, which is given a moment to catch up before an answer is made without it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from model.profiles import TenantProfile


class Tenancy(Protocol):
    """The state of namespaces and profiles that the webhook reads."""

    def ready(self) -> str | None:
        """None, or why it cannot be relied on (not synced yet, say)."""

    def namespace_profile(self, namespace: str) -> str | None:
        """Value of the namespace's label stoker.dev/profile, None without it; KeyError: not seen yet."""

    def profile(self, name: str) -> TenantProfile | None:
        """None where there is none, or none that is valid."""

    def is_attended(self, lease: str) -> bool:
        """Whether the Lease of that name in Stoker's namespace is seen to be renewed."""

    async def changed(self, timeout_seconds: float) -> bool:
        """Wait for the next change of namespaces or profiles; False when none came in time."""


@dataclass(frozen=True, slots=True)
class Membership:
    """What is known of a namespace: not even seen, without a profile, with the name of one, with the profile."""

    seen: bool
    profile_name: str | None = None
    profile: TenantProfile | None = None


def look_up(tenancy: Tenancy, namespace: str) -> Membership:
    try:
        name = tenancy.namespace_profile(namespace)
    except KeyError:
        return Membership(seen=False)
    return Membership(True, name, tenancy.profile(name) if name else None)


async def await_profile(
    tenancy: Tenancy, namespace: str, *, budget_seconds: float, clock: Callable[[], float]
) -> Membership:
    """The namespace's membership, looked up again at each change while the profile is missing and the budget lasts."""
    membership = look_up(tenancy, namespace)
    if membership.profile is not None:
        return membership
    deadline = clock() + budget_seconds
    while (left := deadline - clock()) > 0 and await tenancy.changed(left):
        membership = look_up(tenancy, namespace)
        if membership.profile is not None:
            break
    return membership
