"""What tenants cannot do, against the real API server and while Stoker does not run."""

from __future__ import annotations

import pytest

from cluster.client import ApiClient
from model.errors import ApiError
from tests.manifests.attempts import ATTEMPTS, Attempt
from tests.manifests.fence import Fence

pytestmark = pytest.mark.controlplane


def named(attempts: list[Attempt]) -> list[object]:
    return [pytest.param(attempt, id=attempt.name) for attempt in attempts]


@pytest.mark.parametrize("attempt", named(ATTEMPTS))
@pytest.mark.usefixtures("widened")
async def test_an_unprivileged_user_is_refused(fence: Fence, editor: ApiClient, attempt: Attempt) -> None:
    request = await attempt.prepare(fence)
    with pytest.raises(ApiError) as refusal:
        await request(editor, {})
    assert refusal.value.status == 403


@pytest.mark.parametrize("attempt", named(ATTEMPTS))
async def test_the_policy_refuses_alone_and_says_what_to_do(fence: Fence, widened: ApiClient, attempt: Attempt) -> None:
    request = await attempt.prepare(fence)
    with pytest.raises(ApiError) as refusal:
        await request(widened, {})
    assert refusal.value.status == 403
    told = str(refusal.value)
    assert attempt.is_refused_by(told)
    assert any(words in told for words in ("; set ", "; leave ", "; remove "))


@pytest.mark.parametrize("attempt", named([attempt for attempt in ATTEMPTS if attempt.administrators]))
@pytest.mark.usefixtures("widened")
async def test_nothing_but_the_verb_was_lacking(fence: Fence, attempt: Attempt) -> None:
    """Else an attempt would prove nothing: a cluster administrator, who has every verb, is let through."""
    request = await attempt.prepare(fence)
    await request(fence.administrator, {"dryRun": "All"})


def test_there_are_enough_attempts_and_none_twice() -> None:
    assert len({attempt.name for attempt in ATTEMPTS}) == len(ATTEMPTS) >= 25
