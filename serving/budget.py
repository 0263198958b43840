"""How many bytes of bodies that are still being read, or looked at, a process holds at once.

This is against few that send much. Many that send little at a time fall under its free part; where they wait for long,
as the extender's requests do for their turn, they have a bound of their own (`serving.apps.Crowd`).
"""

from __future__ import annotations

from typing import Final

from model.errors import InvalidRequest
from serving.messages import Request

BUDGET_BYTES: Final = 64 * 1024 * 1024
"""Eight of the largest bodies, and a sixteenth of the Deployment's limit of memory."""

FREE_BYTES: Final = 64 * 1024
"""Of each body nothing is counted up to here, where a connection's buffer holds as much anyway: whoever fills the
budget keeps no ordinary review out."""


class BodyBudget:
    """Counts what requests hold; one for all listeners of a process."""

    def __init__(self, limit_bytes: int = BUDGET_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self.held_bytes = 0

    def hold(self, request: Request, received_bytes: int) -> None:
        """Of this request's body so much is here now; InvalidRequest with 503 where that is too much for all."""
        wanted = max(0, received_bytes - FREE_BYTES)
        more = wanted - request.held_bytes
        if self.held_bytes + more > self._limit_bytes:
            raise InvalidRequest(
                "other requests' bodies take all the memory there is for them; ask again in a second",
                status=503,
                reason="body_budget",
            )
        self.held_bytes += more
        request.held_bytes = wanted

    def release(self, request: Request) -> None:
        """The request is over; it may have held nothing."""
        self.held_bytes -= request.held_bytes
        request.held_bytes = 0


BODIES: Final = BodyBudget()
