"""`stoker explain POD`: every node's forecast for one pod, term by term, its gate, and what kube-scheduler did with it.

It computes from a list of its own what the service computes from its watch, by the same functions, so that it answers
while Stoker is down, and for whoever may read nodes and pods.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from cli.options import Context, Kubeconfig, Target, TimeScale
from cli.output import Column, Output, OutputOption, render
from model import names
from model.errors import InvalidInput, NotFound
from model.forecast import TERM_NAMES

if TYPE_CHECKING:
    from cluster import wire
    from cluster.client import ApiClient
    from cluster.snapshot import Snapshot

COLUMNS = (
    Column("NODE", "node"),
    Column("ARCH", "architecture"),
    Column("SCORE", "score", right=True),
    Column("SECONDS", "seconds", right=True),
    *(Column(name.upper(), f"terms.{name}", right=True) for name in TERM_NAMES),
    Column("WHY", "why"),
)

PLACED = ("Forecast", "Nominated")
"""Reasons of the events that carry the forecast of the pod's placement, by the extender or by nomination."""

TOLD = (*PLACED, "Held", "GateOpened", "NominationCleared", "Scheduled", "FailedScheduling", "Preempted")
"""Reasons of the events that tell how a pod came to its node."""


REFUSALS = {
    "cordoned": "it is cordoned",
    "node-selector": "the pod's nodeSelector does not match",
    "node-affinity": "the pod's required node affinity does not match",
    "taint": "the pod does not tolerate a taint",
    "anti-affinity": "the anti-affinity of a pod there, or near there, keeps it away",
}
"""What the values of `model.requirements.Refusal` mean."""


class _Target(msgspec.Struct):
    """Of the forecast told on a pod, what its sentence says."""

    node: str
    seconds: float


def explain(
    pod: Annotated[str, typer.Argument(help="The pod, as NAME or NAMESPACE/NAME.")],
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="The pod's namespace.")] = "default",
    output: OutputOption = Output.TABLE,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    time_scale: TimeScale = 1.0,
) -> None:
    """Show the seconds until a pod would be ready, for every node, and what kube-scheduler did."""
    parts = pod.split("/")
    if len(parts) > 2 or not all(parts):
        raise InvalidInput(f"{pod!r} is not a pod; write NAME or NAMESPACE/NAME")
    namespace = parts[0] if len(parts) == 2 else namespace
    answer = asyncio.run(_explain(namespace, parts[-1], Target(kubeconfig, context), time_scale))
    if output in (Output.JSON, Output.YAML):
        typer.echo(render(answer, output, COLUMNS))
    else:
        typer.echo(_as_text(answer, output))


async def _explain(namespace: str, name: str, target: Target, time_scale: float) -> dict[str, Any]:
    from cli.reading import read_cluster
    from cluster import wire

    async with read_cluster(target, time_scale) as (client, snapshot):
        try:
            raw = await client.get_bytes(f"/api/v1/namespaces/{namespace}/pods/{name}")
        except NotFound as error:
            raise InvalidInput(f"there is no pod {name!r} in namespace {namespace!r}") from error
        pod = msgspec.json.decode(raw, type=wire.Pod)
        events = await _events_of(client, pod)
        return {
            "pod": {
                "namespace": namespace,
                "name": name,
                "phase": pod.status.phase,
                "node": pod.spec.node_name or None,
            },
            **_forecasts(snapshot, pod),
            "gate": _gate(snapshot, pod),
            "scheduler": _scheduling(pod, events),
        }


async def _events_of(client: ApiClient, pod: wire.Pod) -> list[wire.Event]:
    from cluster import wire

    selector = f"involvedObject.uid={pod.metadata.uid}"
    raw = await client.get_bytes(f"/api/v1/namespaces/{pod.metadata.namespace}/events", fieldSelector=selector)
    items = msgspec.json.decode(raw, type=wire.ObjectList).items
    events = [msgspec.json.decode(item, type=wire.Event) for item in items]
    return sorted(events, key=lambda event: event.last_seen or event.metadata.creation_timestamp or "")


def _forecasts(snapshot: Snapshot, pod: wire.Pod) -> dict[str, Any]:
    """The profile, and a row for each node, the best that fits first; a note instead where Stoker has no say."""
    from cluster.translation import is_starting, pod_needs
    from extender.verdicts import priorities

    tenancy = snapshot.tenancy
    named = pod.metadata.annotations.get(names.PROFILE_ANNOTATION)
    profile = tenancy.profile(named) if named else None
    if profile is None:
        known = f"its profile {named!r} does not exist" if named else f"it has no annotation {names.PROFILE_ANNOTATION}"
        note = f"not a tenant's pod for Stoker: {known}"
        return {"profile": named, "note": note, "nodes": []}
    misfits = {} if pod.spec.node_name else _misfits(snapshot, pod)
    facts = [
        # Its own start is no contention for itself.
        node.with_more_starting(-1.0) if node.name == pod.spec.node_name and is_starting(pod) else node
        for node in snapshot.fleet.nodes()
    ]
    needs = pod_needs(pod, tenancy.handler_of)
    result = priorities(needs, profile.spec, facts, snapshot.fleet, snapshot.clock.now())
    rows = [
        {
            "node": node.name,
            "architecture": node.architecture,
            "score": score,
            "seconds": None if forecast.impossible else round(forecast.seconds, 1),
            "terms": {term.name: round(term.seconds, 1) for term in forecast.terms},
            "fits": node.name not in misfits,
            "why": "; ".join(
                text
                for text in (
                    misfits.get(node.name, ""),
                    forecast.impossible or "",
                    *(
                        f"{t.name}: {t.note}"
                        for t in forecast.terms
                        if t.note and t.seconds and not forecast.impossible
                    ),
                )
                if text
            ),
        }
        for node, forecast, score in zip(facts, result.forecasts, result.scores, strict=True)
        if forecast is not None
    ]
    return {"profile": profile.name, "nodes": sorted(rows, key=_rank)}


def _misfits(snapshot: Snapshot, pod: wire.Pod) -> dict[str, str]:
    """Why a pod that is not bound could not be bound to a node as things are, by node; nothing where it could.

    What only the scheduler can judge, such as volumes, is not told.
    """
    from model.requirements import refusal
    from model.resources import lacking
    from placement.survey import Survey

    wanted = Survey(snapshot).gated(pod).requirements
    misfits: dict[str, str] = {}
    for facts, traits, free in snapshot.fleet.offers():
        if (refused := refusal(wanted, traits)) is not None:
            misfits[facts.name] = REFUSALS[refused.value]
        elif resource := lacking(wanted.amounts, free):
            misfits[facts.name] = f"not enough {resource} is free"
    return misfits


def _gate(snapshot: Snapshot, pod: wire.Pod) -> dict[str, Any] | None:
    """What a gate of Stoker's that is closed waits for (the forecast told on the pod), and when it opens; else None."""
    from cluster.waiting import has_our_gate
    from placement.deadlines import deadline_of

    if not has_our_gate(pod):
        return None
    clock = snapshot.clock
    deadline = deadline_of(pod, snapshot.tenancy.profile, clock)
    told = pod.metadata.annotations.get(names.FORECAST_ANNOTATION, "")
    try:
        target = msgspec.json.decode(told, type=_Target)
    except msgspec.MsgspecError:
        target = None  # nothing was told yet, or somebody else wrote there
    return {
        "name": names.WARM_NODE_GATE,
        "waits_for": msgspec.to_builtins(target),
        "opens_at": datetime.fromtimestamp(deadline / clock.scale, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "seconds_left": round(deadline - clock.now(), 1),
    }


def _rank(row: dict[str, Any]) -> tuple[bool, bool, float, str]:
    return not row["fits"], row["seconds"] is None, row["seconds"] or 0.0, row["node"]


def _scheduling(pod: wire.Pod, events: list[wire.Event]) -> dict[str, Any]:
    """What the scheduler did: the scheduler's name, the condition, its events, and the forecast told at the time."""
    from cluster.translation import condition

    scheduled = condition(pod.status.conditions, "PodScheduled")
    told = [
        text
        for event in events
        if event.reason in PLACED and (text := event.metadata.annotations.get(names.FORECAST_ANNOTATION))
    ]
    return {
        "name": pod.spec.scheduler_name,
        "condition": f"PodScheduled={scheduled.status} {scheduled.reason}".strip() if scheduled else None,
        "forecast_at_placement": msgspec.json.decode(told[-1]) if told else None,
        "events": [
            {"time": event.last_seen, "reason": event.reason, "message": event.message}
            for event in events
            if event.reason in TOLD
        ],
    }


def _as_text(answer: dict[str, Any], output: Output) -> str:
    pod, scheduler = answer["pod"], answer["scheduler"]
    where = f"on node {pod['node']}" if pod["node"] else "not bound to a node"
    lines = [
        f"Pod {pod['namespace']}/{pod['name']}: {pod['phase']}, {where}; profile {answer['profile'] or 'none'}",
        "",
    ]
    if answer["nodes"]:
        lines += ["Seconds until it would be ready, if it were placed now:", render(answer["nodes"], output, COLUMNS)]
    else:
        lines.append(answer.get("note", "there are no nodes"))
    if gate := answer["gate"]:
        lines += ["", _as_sentence(gate)]
    lines += ["", f"What the scheduler {scheduler['name']} did: {scheduler['condition'] or 'nothing yet'}"]
    lines += [f"  {item['time'] or '-'}  {item['reason']}: {item['message']}" for item in scheduler["events"]]
    return "\n".join(lines)


def _as_sentence(gate: dict[str, Any]) -> str:
    target = gate["waits_for"]
    waits = f"waits for {target['node']} ({target['seconds']:.0f} s were forecast there)" if target else "is closed"
    left = gate["seconds_left"]
    when = f"in {left:.0f} s" if left > 0 else f"{-left:.0f} s ago, so no controller attends to it: `stoker release`"
    return f"The gate {gate['name']} {waits}; its deadline: {gate['opens_at']}, {when}"
