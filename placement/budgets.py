"""How many pods may start on one node at the same moment before another that is as good gets the next one."""

from __future__ import annotations

from math import inf

from model.profiles import ProfileSpec
from model.score import TIE_SECONDS


def start_budget(profile: ProfileSpec) -> float:
    """1 + ⌊TIE_SECONDS ÷ contention per start⌋; without limit where starts do not slow one another.

    So many starts keep what they cost one another within the tie of two seconds, that is, within what counts as an
    equal forecast: 21 by the default of 100 ms, one where each start adds more than two seconds. The budget orders
    nodes within a tie and forbids none: where no equal node has room, seconds decide, in which contention counts.
    """
    milliseconds = profile.startup.contention_milliseconds_per_start
    return 1 + TIE_SECONDS * 1_000 // milliseconds if milliseconds else inf
