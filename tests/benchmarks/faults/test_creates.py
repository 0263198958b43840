"""A steady stream of creates: whose fault a refusal is, what a stored pod lacks, what was promised about it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from benchmarks.faults.creates import Cause, Create, Stream, Try, cause_of, missing_mutations, slowest_seconds
from benchmarks.faults.verdicts import Outcome, Trouble, judge_kills, judge_outage, judge_refusing_none
from model.errors import ApiError, Conflict, ConnectionFailed, StokerError

STOKER, CLUSTER = Cause.STOKER, Cause.CLUSTER
KILL = Trouble("kill", 10.0, 10.0)


def create(*tries: tuple[float, float, Cause | None], name: str = "agent") -> Create:
    return Create(
        name, tries[0][0], [Try(asked_at, answered_at, cause, "refused") for asked_at, answered_at, cause in tries]
    )


def outcome(
    *creates: Create, troubles: Sequence[Trouble] = (KILL,), lacking: dict[str, list[str]] | None = None
) -> Outcome:
    return Outcome(creates, 100.0, troubles, lacking or {})


def refusal(message: str, status: int = 500) -> ApiError:
    return ApiError(f"POST /api/v1/namespaces/faults-0/pods: {message}", status=status)


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (refusal('failed calling webhook "pods.stoker.dev": failed to call webhook: Post "https://x": EOF'), STOKER),
        (refusal('admission webhook "pods.stoker.dev" denied the request: no profile', 403), STOKER),
        (
            refusal("ValidatingAdmissionPolicy 'stoker-classes' with binding 'stoker-classes' denied request", 422),
            STOKER,
        ),
        (refusal("ValidatingAdmissionPolicy 'others': paramKind not yet synced to use for admission"), CLUSTER),
        (refusal("etcdserver: request timed out"), CLUSTER),
        (ConnectionFailed("no answer from https://127.0.0.1:6443"), CLUSTER),
    ],
)
def test_a_refusal_is_stokers_where_the_message_names_what_is_stokers(error: StokerError, cause: Cause) -> None:
    assert cause_of(error) is cause


async def test_a_refused_create_is_tried_again_until_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.faults.creates.RETRY_SECONDS", (0.0, 0.0))
    answers = iter([refusal("etcdserver: request timed out"), Conflict("it exists", status=409)])

    async def send(_: str) -> None:
        if (error := next(answers, None)) is not None:
            raise error

    stream = Stream(send, per_second=1_000.0, least=1)
    stream.enough.set()
    await stream.run()
    assert [tried.cause for tried in stream.creates[0].tries] == [CLUSTER, None]


async def test_a_stream_does_not_wait_for_its_answers() -> None:
    async def all_are_asked_for(_: str) -> None:
        while len(stream.creates) < 5:  # noqa: ASYNC110 - the stream goes on by itself
            await asyncio.sleep(0)

    stream = Stream(all_are_asked_for, per_second=1_000.0, least=5)
    stream.enough.set()
    await stream.run()
    assert all(item.created for item in stream.creates)


def test_the_rate_is_that_of_the_first_tries_and_a_create_tells_how_long_it_waited_for_a_worker() -> None:
    async def send(_: str) -> None:
        """Nobody calls it."""

    late = Create("agent", 10.0, [Try(14.0, 14.1, STOKER), Try(100.0, 100.1)])
    stream = Stream(send, 1.0, 2, creates=[create((11.0, 11.1, None)), late], began_at=10.0)
    assert (stream.rate, late.queued_seconds) == (0.5, 4.0)


@pytest.mark.parametrize(("rate", "held"), [(90.0, True), (89.9, False)])
def test_a_load_that_was_not_reached_does_not_hold(rate: float, held: bool) -> None:
    found = judge_refusing_none("creates", Outcome([create((9.0, 9.1, None))], rate, (), wanted_rate=100.0))
    assert (found.held, found.load, found.details["longest_queue_seconds"]) == (held, rate, 0.0)


PROFILE: dict[str, Any] = {
    "metadata": {"name": "faults"},
    "spec": {
        "runtimeClassName": "kata",
        "imagePullPolicy": "IfNotPresent",
        "tolerations": [{"key": "stoker.dev/tenant"}],
        "schedulingGates": ["held"],
    },
}


def stored(**spec: Any) -> dict[str, Any]:
    whole = {
        "runtimeClassName": "kata",
        "containers": [{"imagePullPolicy": "IfNotPresent"}],
        "tolerations": [{"key": "stoker.dev/tenant"}, {"key": "node.kubernetes.io/not-ready"}],
        "schedulingGates": [{"name": "held"}],
    }
    return {"metadata": {"annotations": {"stoker.dev/profile": "faults"}}, "spec": {**whole, **spec}}


@pytest.mark.parametrize(
    ("pod", "lacking"),
    [
        (stored(), []),
        (stored(runtimeClassName=None), ["runtime class"]),
        (stored(containers=[{"imagePullPolicy": "IfNotPresent"}, {"imagePullPolicy": "Always"}]), ["pull policy"]),
        (stored(tolerations=[]), ["toleration"]),
        (stored(schedulingGates=[]), ["gate"]),
        ({**stored(), "metadata": {}}, ["annotation"]),
    ],
)
def test_what_a_stored_pod_lacks_is_named(pod: dict[str, Any], lacking: list[str]) -> None:
    assert missing_mutations(pod, PROFILE) == lacking


def test_recovery_ends_with_the_last_pod_that_was_asked_for_before_the_troubles_end() -> None:
    waited, quick, later = create((9.0, 13.0, None)), create((9.5, 9.6, None)), create((10.5, 20.0, None))
    assert slowest_seconds([waited, quick, later], 10.0) == 3.0
    assert slowest_seconds([quick], 10.0) == 0.0


def test_refusals_by_the_cluster_are_not_counted_against_stoker() -> None:
    found = judge_refusing_none("creates", outcome(create((9.0, 9.1, CLUSTER), (10.0, 10.1, None))))
    assert (found.held, found.refused, found.lost, found.details["refused_by_the_cluster"]) == (True, 0, 0, 1)


@pytest.mark.parametrize(
    ("seen", "refused", "lost"),
    [
        (outcome(create((9.0, 9.1, STOKER), (10.0, 10.1, None))), 1, 0),
        (outcome(create((9.0, 9.1, CLUSTER))), 0, 1),
        (outcome(create((9.0, 9.1, None)), lacking={"agent": ["gate"]}), 0, 1),
    ],
)
def test_what_is_refused_never_created_or_not_mutated_does_not_hold(seen: Outcome, refused: int, lost: int) -> None:
    found = judge_refusing_none("creates", seen)
    assert (found.held, found.refused, found.lost) == (False, refused, lost)


@pytest.mark.parametrize(
    ("tries", "held"),
    [
        ([(9.9, 10.1, STOKER), (11.0, 11.1, None)], True),
        ([(10.2, 10.3, STOKER), (11.0, 11.1, None)], True),  # on a connection that was not known to be broken yet
        ([(11.2, 11.3, STOKER), (12.0, 12.1, None)], False),
        ([(9.0, 9.9, STOKER), (11.0, 11.1, None)], False),
        ([(9.9, 10.1, STOKER), (10.5, 10.6, STOKER), (12.0, 12.1, None)], False),
        ([(9.9, 10.1, STOKER)], False),
    ],
)
def test_a_kill_may_cost_what_was_under_way_and_only_once(
    tries: list[tuple[float, float, Cause | None]], held: bool
) -> None:
    assert judge_kills("replica-killed", outcome(create(*tries))).held is held


@pytest.mark.parametrize(("answered_at", "held"), [(12.0, True), (16.0, True), (16.1, False), (9.0, False)])
def test_an_outage_may_cost_creates_until_it_has_settled(answered_at: float, held: bool) -> None:
    seen = outcome(create((8.0, answered_at, STOKER), (20.0, 20.1, None)), troubles=[Trouble("away", 10.0, 14.0)])
    assert judge_outage("suspended", seen, 2.0).held is held
