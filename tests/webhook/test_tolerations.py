"""Tolerations: which covers which, and what is added in which order."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.builders import pod, profile
from tests.webhook.patching import mutated, operations_for
from webhook.pods import Toleration
from webhook.tolerations import covers

TENANT = {"key": "stoker.dev/tenant", "operator": "Exists", "effect": "NoSchedule"}


def toleration(**members: Any) -> Toleration:
    return msgspec.convert(members, Toleration)


EVERY_TAINT = toleration(operator="Exists")
KEY = toleration(key="k", operator="Exists")
KEY_NO_SCHEDULE = toleration(key="k", operator="Exists", effect="NoSchedule")
KEY_NO_EXECUTE = toleration(key="k", operator="Exists", effect="NoExecute")
KEY_FOR_300 = toleration(key="k", operator="Exists", effect="NoExecute", tolerationSeconds=300)
KEY_FOR_60 = toleration(key="k", operator="Exists", effect="NoExecute", tolerationSeconds=60)
EQUAL = toleration(key="k", operator="Equal", value="v", effect="NoSchedule")
EQUAL_BY_DEFAULT = toleration(key="k", value="v", effect="NoSchedule")
EQUAL_OTHER = toleration(key="k", value="w", effect="NoSchedule")
OTHER_KEY = toleration(key="other", operator="Exists")


@pytest.mark.parametrize(
    ("broader", "narrower", "expected"),
    [
        (EVERY_TAINT, KEY, True),
        (EVERY_TAINT, EQUAL, True),
        (EVERY_TAINT, KEY_NO_EXECUTE, True),
        (KEY, KEY, True),
        (KEY, KEY_NO_SCHEDULE, True),
        (KEY_NO_SCHEDULE, KEY, False),
        (KEY_NO_SCHEDULE, KEY_NO_EXECUTE, False),
        (KEY_NO_SCHEDULE, EQUAL, True),
        (EQUAL, KEY_NO_SCHEDULE, False),
        (EQUAL, EQUAL_BY_DEFAULT, True),
        (EQUAL_BY_DEFAULT, EQUAL, True),
        (EQUAL, EQUAL_OTHER, False),
        (KEY_NO_EXECUTE, KEY_FOR_300, True),
        (KEY_FOR_300, KEY_NO_EXECUTE, False),
        (KEY_FOR_300, KEY_FOR_60, True),
        (KEY_FOR_60, KEY_FOR_300, False),
        (KEY, OTHER_KEY, False),
        (KEY, EVERY_TAINT, False),
    ],
)
def test_covering(broader: Toleration, narrower: Toleration, expected: bool) -> None:
    assert covers(broader, narrower) is expected


def test_the_pods_own_come_first_and_the_profiles_follow_in_order() -> None:
    own = [{"key": "own", "operator": "Exists"}]
    tenant = profile(tolerations=[TENANT, {"key": "b", "value": "1"}])
    keys = [item["key"] for item in mutated(pod(tolerations=own), tenant)["spec"]["tolerations"]]
    assert keys == ["own", "stoker.dev/tenant", "b"]


def test_a_toleration_is_written_as_the_profile_has_it() -> None:
    whole = {"key": "k", "operator": "Equal", "value": "v", "effect": "NoExecute", "tolerationSeconds": 0}
    assert mutated(pod(), profile(tolerations=[whole]))["spec"]["tolerations"] == [whole]


def test_what_a_broader_one_covers_is_not_added() -> None:
    manifest = pod(tolerations=[{"operator": "Exists"}])
    added = [item for item in operations_for(manifest, profile(tolerations=[TENANT])) if item.kind == "tolerations"]
    assert added == []


def test_a_profile_that_repeats_itself_adds_once() -> None:
    broad = {"key": "stoker.dev/tenant", "operator": "Exists"}
    assert mutated(pod(), profile(tolerations=[broad, TENANT, broad]))["spec"]["tolerations"] == [broad]
