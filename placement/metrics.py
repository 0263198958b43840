"""What placement tells of the pods that its gate holds."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from cluster.metrics import START_UP_BUCKETS

HOLD_SECONDS: Final = Histogram(
    "stoker_gate_hold_seconds",
    "Seconds from a pod's creation until Stoker's gate opened, by how it went: nominated, or why it was let through.",
    ["outcome"],
    buckets=START_UP_BUCKETS,
)
GATED_PODS: Final = Gauge(
    "stoker_gated_pods", "Pods behind Stoker's gate now, by the reason: held for a node, or on their way.", ["reason"]
)
PLACEMENTS: Final = Counter(
    "stoker_placements_total", "Gates opened, by how: nominated, or the reason the pod was let through.", ["outcome"]
)
NOMINATION_LOST: Final = Counter(
    "stoker_nomination_lost_total", "Nominations that did not end in a binding on their node, by reason.", ["reason"]
)
WRITE_ERRORS: Final = Counter(
    "stoker_placement_write_errors_total", "Writes of placement that failed and are tried again, by kind.", ["kind"]
)
ROUND_SECONDS: Final = Histogram(
    "stoker_placement_round_seconds",
    "Seconds that deciding on all waiting pods took.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
ROUND_ERRORS: Final = Counter(
    "stoker_placement_round_errors_total",
    "Rounds that failed by a mistake of Stoker's: gates are then opened by their deadlines alone.",
)
LEADING: Final = Gauge("stoker_leading", "1 on the replica whose controllers work.")
