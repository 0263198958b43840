"""Each step of the rollover by itself: what is done, and what is waited for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from certs.authority import CA_LIFETIME, fingerprint
from certs.renewal import renewal_time
from certs.rollover import CLOCKS_DIFFER, SCHEDULED_WAIT, Action, Phase, apply, next_step, phase_of
from certs.store import DEFAULT_WAIT_SECONDS, StoredAuthority, build_patch, build_secret, parse_secret, split_bundle
from model import names
from tests.certs.builders import NOW, authority

CA = authority()
STEADY = StoredAuthority(CA, CA.pair.certificate_pem)
REQUESTED = replace(STEADY, wait_seconds=DEFAULT_WAIT_SECONDS)
PUBLISHING = apply(Action.BEGIN, REQUESTED, NOW)
WAITING = apply(Action.DATE, PUBLISHING, NOW)
CONFIRMING = apply(Action.SWITCH, WAITING, NOW)
WAIT = timedelta(seconds=DEFAULT_WAIT_SECONDS)
SIGNING = fingerprint(CONFIRMING.certificate)
OLD = fingerprint(CA.pair.certificate)
DUE = renewal_time(CA.pair.certificate)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("stored", "phase"),
    [
        (STEADY, Phase.STEADY),
        (REQUESTED, Phase.STEADY),
        (PUBLISHING, Phase.PUBLISHING),
        (WAITING, Phase.WAITING),
        (CONFIRMING, Phase.CONFIRMING),
        (apply(Action.DROP, CONFIRMING, NOW), Phase.STEADY),
    ],
)
def test_the_phase_is_what_the_secret_holds(stored: StoredAuthority, phase: Phase) -> None:
    assert phase_of(parse_secret(build_secret(stored))) is phase


@pytest.mark.parametrize(
    ("stored", "published", "after", "action"),
    [
        (STEADY, True, timedelta(0), None),
        (STEADY, True, DUE - NOW - SECOND, None),
        (STEADY, True, DUE - NOW, Action.BEGIN),
        (REQUESTED, True, timedelta(0), Action.BEGIN),
        (PUBLISHING, False, timedelta(0), None),
        (PUBLISHING, True, timedelta(0), Action.DATE),
        (WAITING, True, WAIT - SECOND, None),
        (WAITING, True, WAIT, Action.SWITCH),
        (WAITING, False, WAIT, Action.REDATE),
        (WAITING, True, -CLOCKS_DIFFER, None),
        (WAITING, True, -CLOCKS_DIFFER - SECOND, Action.REDATE),
    ],
)
def test_a_step_is_taken_when_it_is_due_and_not_before(
    stored: StoredAuthority, published: bool, after: timedelta, action: Action | None
) -> None:
    assert next_step(stored, published=published, replicas={}, now=NOW + after).action is action


def test_nobody_switches_to_an_authority_that_is_not_valid_yet() -> None:
    ahead = timedelta(days=2)
    following = authority(now=NOW + ahead)
    waiting = replace(WAITING, next=following)
    verdict = next_step(waiting, published=True, replicas={}, now=NOW + WAIT)
    assert (verdict.phase, verdict.action) == (Phase.WAITING, None)
    assert "when the next CA is valid" in verdict.reason
    assert next_step(waiting, published=True, replicas={}, now=NOW + ahead).action is Action.SWITCH


def test_an_hour_between_two_clocks_holds_up_no_switch() -> None:
    waiting = replace(WAITING, next=authority(now=NOW + timedelta(hours=1)))
    assert next_step(waiting, published=True, replicas={}, now=NOW + WAIT).action is Action.SWITCH


@pytest.mark.parametrize(
    ("replicas", "action", "reason"),
    [
        ({"a": SIGNING, "b": SIGNING}, Action.DROP, "every replica serves from the new CA"),
        ({"a": SIGNING, "b": OLD}, None, "b to serve from the new CA"),
        ({"a": SIGNING, "b": ""}, None, "b to serve from the new CA"),
        ({}, None, "a replica to say that it serves from the new CA"),
    ],
)
def test_the_old_authority_is_dropped_when_all_have_confirmed(
    replicas: dict[str, str], action: Action | None, reason: str
) -> None:
    verdict = next_step(CONFIRMING, published=True, replicas=replicas, now=NOW)
    assert (verdict.action, verdict.reason) == (action, reason)


def test_both_authorities_are_trusted_from_the_first_step_to_the_last() -> None:
    both = [CA.pair.certificate, CONFIRMING.certificate]
    assert [split_bundle(stored.bundle_pem) for stored in (PUBLISHING, WAITING, CONFIRMING)] == [both] * 3
    assert split_bundle(apply(Action.DROP, CONFIRMING, NOW).bundle_pem) == [CONFIRMING.certificate]


def test_the_old_authority_signs_until_the_switch() -> None:
    assert [stored.authority for stored in (PUBLISHING, WAITING)] == [CA, CA]
    assert CONFIRMING.authority == PUBLISHING.next


@pytest.mark.parametrize(
    ("age", "wait"),
    [
        (CA_LIFETIME * 2 / 3, SCHEDULED_WAIT),
        (CA_LIFETIME - timedelta(days=3), timedelta(days=1)),
        (CA_LIFETIME - timedelta(minutes=10), WAIT),
    ],
)
def test_nobody_hurries_unless_the_end_is_near(age: timedelta, wait: timedelta) -> None:
    begun = apply(Action.BEGIN, STEADY, NOW + age)
    assert begun.wait_seconds == wait.total_seconds()


def test_a_secret_is_read_as_it_was_written_in_each_phase() -> None:
    for stored in (REQUESTED, PUBLISHING, WAITING, CONFIRMING):
        assert parse_secret(build_secret(stored)) == stored


def test_a_write_takes_out_what_is_over_and_asks_for_the_version_read() -> None:
    patch = build_patch(replace(CONFIRMING, version="7"))
    assert patch["metadata"]["resourceVersion"] == "7"
    assert set(patch["metadata"]["annotations"].values()) == {None}
    assert (patch["data"]["next.crt"], patch["data"]["next.key"]) == (None, None)


@pytest.mark.parametrize("key", ["next.crt", "next.key"])
def test_a_spoilt_next_authority_is_left_out_and_the_replica_serves_on(key: str) -> None:
    secret = build_secret(WAITING)
    secret["data"][key] = "bm9uc2Vuc2U="
    stored = parse_secret(secret)
    assert (stored.authority, stored.next) == (CA, None)


def test_a_next_authority_that_is_not_in_the_bundle_never_signs() -> None:
    secret = build_secret(WAITING)
    secret["data"]["ca.crt"] = build_secret(STEADY)["data"]["ca.crt"]
    assert parse_secret(secret).next is None


@pytest.mark.parametrize("instant", ["tomorrow", "2026-11-22T03:17:25"])
def test_an_instant_that_cannot_be_read_is_set_anew(instant: str) -> None:
    secret = build_secret(WAITING)
    secret["metadata"]["annotations"][names.SWITCH_AFTER_ANNOTATION] = instant
    assert phase_of(parse_secret(secret)) is Phase.PUBLISHING


def test_a_wait_that_cannot_be_read_is_the_usual_one() -> None:
    secret = build_secret(REQUESTED)
    secret["metadata"]["annotations"][names.ROLLOVER_WAIT_ANNOTATION] = "soon"
    assert parse_secret(secret).wait_seconds == DEFAULT_WAIT_SECONDS
