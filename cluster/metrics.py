"""What Stoker tells of its view of the cluster."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge

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
