"""The forecast: the seconds until this pod would be ready on this node, as a sum of named terms.

This is Stoker's one decision. The extender's score, the event on the pod, the explain command's table, the log line and
the metric all render the `Forecast` that `forecast` returns.
"""

from __future__ import annotations

from typing import Final

import msgspec

from model.nodes import NodeFacts
from model.pods import PodNeeds
from model.profiles import ProfileSpec
from model.runtime import RuntimeState, runtime_on
from model.terms import (
    ImageSizes,
    Term,
    application_term,
    contention_term,
    init_term,
    node_term,
    pull_term,
    ready_term,
    runtime_term,
    sandbox_term,
    settle_term,
)

TERM_NAMES: Final = (
    "node",
    "runtime",
    "settle",
    "sandbox",
    "init",
    "pull",
    "application",
    "ready",
    "contention",
)


class Forecast(msgspec.Struct, frozen=True, gc=False):
    """The verdict on one pod and one node.

    `seconds` is the sum of the terms. `impossible` is empty, or the constant reason why the pod can never start here;
    the terms are then those of a node that had the runtime.
    """

    node: str
    seconds: float
    terms: tuple[Term, ...]
    impossible: str = ""

    def describe(self) -> str:
        """One sentence for events and logs: the seconds, and the terms that make them, largest first."""
        if self.impossible:
            return f"cannot start on {self.node}: {self.impossible}"
        parts = sorted((term for term in self.terms if term.seconds >= 0.05), key=lambda term: -term.seconds)
        return f"ready in about {self.seconds:.0f} s on {self.node}: " + ", ".join(map(_part, parts))

    def to_json(self) -> str:
        """Compact JSON: `{"node", "seconds", "terms": {name: seconds}}`, seconds with one decimal."""
        terms = {term.name: round(term.seconds, 1) for term in self.terms}
        return msgspec.json.encode({"node": self.node, "seconds": round(self.seconds, 1), "terms": terms}).decode()


def forecast(pod: PodNeeds, node: NodeFacts, profile: ProfileSpec, sizes: ImageSizes, now: float) -> Forecast:
    """Forecast `pod`'s start on `node` at `now`, with the profile's priors and the fleet's image sizes."""
    runtime = runtime_on(node, pod.handler, now)
    terms = (
        node_term(node, now),
        runtime_term(node, runtime, now),
        settle_term(node, runtime, profile, now),
        sandbox_term(pod, profile),
        init_term(pod, profile),
        pull_term(pod, node, profile, sizes),
        application_term(node, profile),
        ready_term(profile),
        contention_term(node, profile),
    )
    impossible = runtime.reason if runtime.state is RuntimeState.ABSENT else ""
    return Forecast(node.name, _in_turn(terms), terms, impossible)


def _in_turn(terms: tuple[Term, ...]) -> float:
    """The plain sum, term after term: whoever adds columns of terms in this order gets the same to the last bit.

    The built-in `sum` does not since Python 3.12, where it compensates for rounding.
    """
    seconds = 0.0
    for term in terms:
        seconds += term.seconds
    return seconds


def _part(term: Term) -> str:
    note = f" ({term.note})" if term.note else ""
    return f"{term.name} {term.seconds:.0f}{note}"
