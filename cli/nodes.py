"""`stoker nodes`: how warm each node is, profile by profile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import typer

from cli.options import Context, Kubeconfig, Target, TimeScale
from cli.output import Column, Output, OutputOption, render

if TYPE_CHECKING:
    from cluster.snapshot import Snapshot

COLUMNS = (
    Column("NODE", "node"),
    Column("ARCH", "architecture"),
    Column("READY", "ready"),
    Column("PROFILE", "profile"),
    Column("WARM", "warm"),
    Column("MISSING", "missing"),
    Column("STARTING", "starting", right=True),
    Column("IMAGES", "images", wide=True, right=True),
    Column("HANDLERS", "handlers", wide=True),
)


def nodes(
    output: OutputOption = Output.TABLE,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    time_scale: TimeScale = 1.0,
) -> None:
    """Show which nodes are warm for which profile, and what the others lack."""
    rows = asyncio.run(_read(Target(kubeconfig, context), time_scale))
    if not rows and output is Output.TABLE:
        typer.echo("no node, or no TenantProfile: nothing to be warm for (see `stoker manifests show samples`)")
        return
    typer.echo(render(rows, output, COLUMNS))


async def _read(target: Target, time_scale: float) -> list[dict[str, Any]]:
    from cli.reading import read_cluster

    async with read_cluster(target, time_scale) as (_, snapshot):
        return list(_rows(snapshot))


def _rows(snapshot: Snapshot) -> list[dict[str, Any]]:
    from model.warmth import warmth_of

    now = snapshot.clock.now()
    fleet, tenancy = snapshot.fleet, snapshot.tenancy
    nodes = sorted(fleet.nodes(), key=lambda node: node.name)
    used = _images_by_profile(snapshot)
    rows = []
    for profile in sorted(tenancy.profiles.values(), key=lambda profile: profile.name):
        handler = tenancy.handler_of(profile.spec.runtime_class_name)
        for node in nodes:
            warmth = warmth_of(node, profile.spec, handler, used.get(profile.name, frozenset()), now)
            rows.append(
                {
                    "node": node.name,
                    "architecture": node.architecture,
                    "ready": node.ready,
                    "profile": profile.name,
                    "warm": warmth.warm,
                    "missing": list(warmth.missing),
                    "starting": int(node.starting),
                    "images": len(node.images),
                    "handlers": sorted(node.handlers - {""}) if node.handlers is not None else None,
                }
            )
    return rows


def _images_by_profile(snapshot: Snapshot) -> dict[str, frozenset[str]]:
    """The images that a profile's pods use, as far as such pods are bound now."""
    used: dict[str, set[str]] = {}
    for node in snapshot.fleet.nodes():
        for pod in snapshot.fleet.pods_on(node.name):
            if pod.profile:
                used.setdefault(pod.profile, set()).update(pod.wanted_images)
    return {profile: frozenset(images) for profile, images in used.items()}
