"""What keeping certificates tells Prometheus. The alert to have: expiry less than two days away."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge

EXPIRY: Final = Gauge(
    "stoker_certificate_expiry_timestamp_seconds",
    "When the certificate (ca, leaf) expires, in seconds since 1970.",
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
