"""The floors that the benches hold, beside those of `placement`: ratios of ours to the opponent's, in one run.

Where less is better (milliseconds, seconds of CPU, MiB) they are the greatest allowed; pods per second, the least.
"""

from __future__ import annotations

from typing import Final

ROUNDS: Final = 5
"""At least so many; each figure is the median of its rounds, a ratio is one of medians."""

PRIORITIZE_P50: Final = 0.75
PRIORITIZE_P99: Final = 0.75
IMAGE_SETS_P50: Final = 0.9
FILTER_P50: Final = 0.8
GROWTH_TO_15_000: Final = 3.3
GROWTH_TO_1_000: Final = 0.3
SCHEDULER_PODS_PER_SECOND: Final = 0.95
WEBHOOK_P50: Final = 0.9
WEBHOOK_P99: Final = 0.7
WEBHOOK_CPU: Final = 0.6
CREATE_P50: Final = 0.9
REFLECTION_P99_MILLISECONDS: Final = 100.0
SYNC_TIME: Final = 2.0
"""From a real API server, for which both sides wait most of the time."""

SYNC_RESIDENT_MEBIBYTES: Final = 150.0
ENDURANCE_RESIDENT: Final = 1.05
"""After an hour at 500 changes a second; after fewer changes, of the 5 % only their share."""

SCHEDULER_PATIENCE_MILLISECONDS: Final = 500.0
"""`httpTimeout` in manifests/scheduler/configuration.yaml: the scheduler goes on without an answer that comes later."""

WEBHOOK_PATIENCE_MILLISECONDS: Final = 5_000.0
"""The webhook's `timeoutSeconds` as it is shipped."""

RECOVERY_SECONDS: Final = 2.0
