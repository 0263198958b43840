"""Rolling the CA over by command, and watching it."""

from __future__ import annotations

import json
from typing import Any

from tests.cli.command import stoker, until

WAIT_SECONDS = 2
"""One API server, whose watch is not broken, has seen a bundle long before."""


async def status(kubeconfig: str) -> dict[str, Any]:
    ended = await stoker("certs", "status", "-o", "json", "--kubeconfig", kubeconfig)
    found: dict[str, Any] = json.loads(ended.output)
    return found


async def roll_over(kubeconfig: str) -> None:
    """Ask for it, and wait until it is over."""
    before = (await status(kubeconfig))["certificates"][0]["fingerprint"]
    ended = await stoker("certs", "rotate", "--wait-seconds", str(WAIT_SECONDS), "--kubeconfig", kubeconfig)
    assert ended.status == 0, ended.complaint

    async def over() -> bool | None:
        found = await status(kubeconfig)
        signing, *trusted = [row["fingerprint"] for row in found["certificates"]]
        return True if signing != before and found["rollover"]["phase"] == "steady" and trusted == [signing] else None

    assert await until(over, 90)
