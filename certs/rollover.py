"""How one CA follows another without a moment in which somebody serves what somebody else does not trust.

    steady ──begin──▶ publishing ──date──▶ waiting ──switch──▶ confirming ──drop──▶ steady
                          ▲                   │
                          └──────redate───────┘

| phase | the Secret holds | waits for |
|---|---|---|
| steady | one CA in the bundle | two thirds of the CA's life, or somebody who asks |
| publishing | the next CA as well, in the bundle and apart | every caBundle to hold both |
| waiting | the same, and the instant of the switch | that instant, and the next CA to be valid |
| confirming | the next CA signs; the old one is in the bundle only | every living replica to serve from the new CA |

The phase is read from the Secret and from nothing else, so whoever crashes at any step is followed by whoever looks
next; each step is one write of the Secret with its resourceVersion as precondition, so of many replicas one takes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from certs.authority import CertificateAuthority, fingerprint
from certs.renewal import renewal_time
from certs.store import COMMON_NAME, DEFAULT_WAIT_SECONDS, StoredAuthority, split_bundle

SCHEDULED_WAIT: Final = timedelta(days=7)
"""The wait of a rollover that nobody asked for. Nothing hurries, and whoever holds the CA in a file that is read once
(the static pod of a scheduler) has a week to fetch the bundle with both."""

CLOCKS_DIFFER: Final = timedelta(hours=1)
"""An instant further away than its whole wait and this comes from a clock that was wrong, and is set anew."""


class Phase(StrEnum):
    STEADY = "steady"
    PUBLISHING = "publishing"
    WAITING = "waiting"
    CONFIRMING = "confirming"


class Action(StrEnum):
    """A write of the Secret."""

    BEGIN = "begin"
    DATE = "date"
    REDATE = "redate"
    SWITCH = "switch"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where a rollover stands: what is to be done now, or what it waits for."""

    phase: Phase
    action: Action | None
    reason: str


def phase_of(stored: StoredAuthority) -> Phase:
    if stored.next is not None:
        return Phase.PUBLISHING if stored.switch_after is None else Phase.WAITING
    alone = split_bundle(stored.bundle_pem) == [stored.certificate]
    return Phase.STEADY if alone else Phase.CONFIRMING


def next_step(stored: StoredAuthority, *, published: bool, replicas: Mapping[str, str], now: datetime) -> Verdict:
    """`published`: every caBundle was found equal to the stored bundle. `replicas`: those that live, by name, with the
    fingerprint of the CA that their certificate comes from; read after the Secret was (see `certs/replicas.py`).
    """
    phase = phase_of(stored)
    match phase:
        case Phase.STEADY:
            action, reason = _when_steady(stored, now)
        case Phase.PUBLISHING:
            action = Action.DATE if published else None
            reason = "every caBundle holds both CAs" if published else "every caBundle to hold both CAs"
        case Phase.WAITING:
            action, reason = _while_waiting(stored, published, now)
        case Phase.CONFIRMING:
            action, reason = _while_confirming(stored, replicas)
    return Verdict(phase, action, reason)


def _when_steady(stored: StoredAuthority, now: datetime) -> tuple[Action | None, str]:
    if stored.wait_seconds is not None:
        return Action.BEGIN, "a rollover is asked for"
    due = renewal_time(stored.certificate)
    if now >= due:
        return Action.BEGIN, "two thirds of the CA's life are over"
    return None, f"{_shown(due)}, when two thirds of the CA's life are over"


def _while_waiting(stored: StoredAuthority, published: bool, now: datetime) -> tuple[Action | None, str]:
    instant = stored.switch_after or now
    if not published:
        return Action.REDATE, "a caBundle did not hold both CAs"
    if instant > now + timedelta(seconds=_wait_seconds(stored)) + CLOCKS_DIFFER:
        return Action.REDATE, f"the switch at {_shown(instant)} is further away than the whole wait"
    if now < instant:
        return None, f"{_shown(instant)}, when every API server has seen both CAs"
    if stored.next is not None and now < (valid_from := stored.next.pair.certificate.not_valid_before_utc):
        return None, f"{_shown(valid_from)}, when the next CA is valid; the clock of whoever made it was ahead of ours"
    return Action.SWITCH, "every API server has seen both CAs"


def _while_confirming(stored: StoredAuthority, replicas: Mapping[str, str]) -> tuple[Action | None, str]:
    signing = fingerprint(stored.certificate)
    behind = sorted(name for name, authority in replicas.items() if authority != signing)
    if behind:
        return None, f"{', '.join(behind)} to serve from the new CA"
    if not replicas:
        return None, "a replica to say that it serves from the new CA"
    return Action.DROP, "every replica serves from the new CA"


def apply(
    action: Action,
    stored: StoredAuthority,
    now: datetime,
    create: Callable[..., CertificateAuthority] = CertificateAuthority.create,
) -> StoredAuthority:
    """What the Secret is to hold after `action`; only BEGIN makes anything, by `create`."""
    match action:
        case Action.BEGIN:
            following = create(COMMON_NAME, now=now)
            bundle = _joined(stored.authority, following)
            return replace(stored, next=following, bundle_pem=bundle, wait_seconds=_wait_to_begin(stored, now))
        case Action.DATE:
            return replace(stored, switch_after=now + timedelta(seconds=_wait_seconds(stored)))
        case Action.REDATE:
            return replace(stored, switch_after=None)
        case Action.SWITCH:
            signing = stored.next or stored.authority
            return replace(stored, authority=signing, next=None, wait_seconds=None, switch_after=None)
        case Action.DROP:
            return replace(stored, bundle_pem=stored.authority.pair.certificate_pem, switch_after=None)


def _wait_to_begin(stored: StoredAuthority, now: datetime) -> int:
    """As asked for; else a week, or less where the CA's life ends too soon for that."""
    if stored.wait_seconds is not None:
        return stored.wait_seconds
    wait = min(SCHEDULED_WAIT, (stored.certificate.not_valid_after_utc - now) / 3)
    return max(DEFAULT_WAIT_SECONDS, int(wait.total_seconds()))


def _wait_seconds(stored: StoredAuthority) -> int:
    return DEFAULT_WAIT_SECONDS if stored.wait_seconds is None else stored.wait_seconds


def _joined(old: CertificateAuthority, following: CertificateAuthority) -> bytes:
    return old.pair.certificate_pem + following.pair.certificate_pem


def _shown(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")
