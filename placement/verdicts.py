"""What is decided about a gated pod: one of three verdicts, each with the reason that people and metrics read."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from model.forecast import Forecast


class HoldReason(StrEnum):
    """What the node that a pod waits for is doing."""

    BOOTING = "booting"
    INSTALLING = "installing"
    SETTLING = "settling"


class LetThroughReason(StrEnum):
    """Why a pod goes to the scheduler without a nomination."""

    HOLD_DISABLED = "hold-disabled"
    DEADLINE = "deadline"
    UNJUDGED = "unjudged"
    NO_NODE = "no-node"
    NO_ROOM = "no-room"
    NONE_WARM = "none-warm"
    NOT_IN_TIME = "not-in-time"


_SENTENCES = {
    LetThroughReason.HOLD_DISABLED: "its profile holds no pods (maxHoldSeconds 0)",
    LetThroughReason.DEADLINE: "its deadline has come",
    LetThroughReason.UNJUDGED: "it requires what only the scheduler can judge",
    LetThroughReason.NO_NODE: "no node passes what it requires",
    LetThroughReason.NO_ROOM: "no warm node has room for it",
    LetThroughReason.NONE_WARM: "no node that passes is warm, and none is about to be",
    LetThroughReason.NOT_IN_TIME: "no node will be warm before its deadline",
}


class Nominate(msgspec.Struct, frozen=True, gc=False):
    """Nominate the forecast's node, then open the gate."""

    forecast: Forecast

    @property
    def node(self) -> str:
        return self.forecast.node

    def describe(self) -> str:
        return self.forecast.describe()


class Hold(msgspec.Struct, frozen=True, gc=False):
    """Keep the gate closed: `forecast.node` is expected to be warm at `until`, before the pod's deadline.

    The verdict is to be taken anew at `until`, or when the fleet changes. `seconds` is what is left from now to the
    pod's readiness there.
    """

    reason: HoldReason
    forecast: Forecast
    until: float
    seconds: float

    @property
    def waits_for(self) -> str:
        return self.forecast.node

    def describe(self) -> str:
        return f"waits for {self.waits_for} ({self.reason}), where it would be ready in about {self.seconds:.0f} s"


class LetThrough(msgspec.Struct, frozen=True, gc=False):
    """Open the gate without a nomination; `detail` says what cannot be judged, where that is the reason."""

    reason: LetThroughReason
    detail: str = ""

    def describe(self) -> str:
        sentence = f"left to the scheduler: {_SENTENCES[self.reason]}"
        return f"{sentence} ({self.detail})" if self.detail else sentence


Verdict = Nominate | Hold | LetThrough
