"""What keeping certificates tells Prometheus. The alerts to have stand in manifests/alerts/certificates.yaml."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge

EXPIRY: Final = Gauge(
    "stoker_certificate_expiry_timestamp_seconds",
    "When the certificate (ca, leaf, clients) expires, in seconds since 1970.",
    ["certificate"],
)
RENEWALS: Final = Counter(
    "stoker_certificate_renewals_total", "Serving certificates this replica has put into service, the first included."
)
BUNDLE_WRITES: Final = Counter(
    "stoker_ca_bundle_writes_total", "Times this replica has written the CA bundle into the webhook configuration."
)
ERRORS: Final = Counter(
    "stoker_certificate_errors_total", "Rounds of certificate keeping that failed and are tried again."
)
ROLLOVER_PHASE: Final = Gauge(
    "stoker_ca_rollover_phase", "1 for the phase that the CA's rollover is in (steady: none is under way).", ["phase"]
)
ROLLOVER_STEPS: Final = Counter(
    "stoker_ca_rollover_steps_total", "Steps of rollovers that this replica took.", ["step"]
)
