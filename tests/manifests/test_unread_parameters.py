"""What the policies do while the API server does not know the profiles, as for up to half a minute after its start."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from lab.stage import apply, eventually
from lab.toolchain import Programs
from manifests.loader import load
from model import names
from model.errors import ApiError
from tests.manifests.fence import EFFECT_SECONDS, PROFILE, TENANT, WIDENED, WITHOUT, Fence, daemon_set, pod
from tests.manifests.requests import DAEMON_SETS, PODS

pytestmark = pytest.mark.controlplane


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def unread(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fence]:
    """All policies, and nobody has defined what a TenantProfile is."""
    skipped = {*WITHOUT, "CustomResourceDefinition"}
    async with Fence.start(tmp_path_factory.mktemp("unread"), programs) as made:
        await apply(made.control_plane, [item for item in load("base") if item["kind"] not in skipped])
        await made.namespace(TENANT, {names.PROFILE_LABEL: PROFILE})
        await eventually(lambda: daemon_sets_are_refused(made), "the policies are not in effect", EFFECT_SECONDS)
        yield made


async def daemon_sets_are_refused(fence: Fence) -> bool:
    try:
        await fence.administrator.create(DAEMON_SETS, daemon_set("agents"), dryRun="All")
    except ApiError as error:
        return "'stoker-daemonsets'" in str(error) and "failed to find resource referenced by paramKind" in str(error)
    return False


async def test_no_pod_is_refused_for_want_of_the_parameters(unread: Fence) -> None:
    created = await unread.administrator.create(PODS, pod(runtimeClassName=None))
    assert created["spec"]["containers"]


async def test_the_policies_without_parameters_hold_without_the_kind(unread: Fence) -> None:
    await unread.grant("widened", WIDENED)
    user = await unread.user("widened")

    async def is_refused() -> bool:
        try:
            await user.create(PODS, pod("placed", runtimeClassName=None, nodeName="mine"), dryRun="All")
        except ApiError as error:
            return "'stoker-creation'" in str(error)
        return False

    await eventually(is_refused, "the policy is not in effect", EFFECT_SECONDS)
