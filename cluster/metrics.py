"""What Stoker tells of its view of the cluster."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge

START_UP_BUCKETS: Final = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 300.0, 600.0, 1200.0),
)
"""5 ms to 20 minutes: users of other gates complain of minutes that histograms ending at 10 s do not show."""

OBJECTS: Final = Gauge("stoker_snapshot_objects", "Objects in the snapshot.", ["resource"])
CHANGES: Final = Counter("stoker_snapshot_changes_total", "Changes that watches brought.", ["resource"])
WATCH_RESTARTS: Final = Counter(
    "stoker_watch_restarts_total", "Watches that had to be started again, by what ended them.", ["resource", "reason"]
)
RELISTS: Final = Counter("stoker_relists_total", "Full lists read: the first, and after 410 Gone.", ["resource"])
BAD_OBJECTS: Final = Counter(
    "stoker_bad_objects_total", "Objects that could not be read whole: skipped, or taken as unknown.", ["resource"]
)
LAST_EVENT_AGE: Final = Gauge(
    "stoker_snapshot_age_seconds", "Seconds since a watch last brought an event or a bookmark.", ["resource"]
)
EVENTS_EMITTED: Final = Counter("stoker_events_emitted_total", "Kubernetes Events, by outcome.", ["outcome"])
