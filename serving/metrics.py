"""What every listener measures about itself."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Histogram

# A review takes about half a millisecond, and the API server gives up on a webhook after seconds: both ends are seen.
REQUEST_BUCKETS: Final = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01),
    *(0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)

REQUESTS: Final = Counter(
    "stoker_http_requests_total",
    "Requests answered; path is one of the listener's own, or `unknown`.",
    ["listener", "path", "code"],
)
REQUEST_SECONDS: Final = Histogram(
    "stoker_http_request_seconds",
    "Seconds from a request's complete head to its answer, reading the body included.",
    ["listener", "path", "code"],
    buckets=REQUEST_BUCKETS,
)
REFUSED: Final = Counter(
    "stoker_http_refused_total",
    "Requests answered with a 4xx, or that no answer could be made for, by constant reason.",
    ["listener", "reason"],
)
CONNECTIONS_REFUSED: Final = Counter(
    "stoker_http_connections_refused_total",
    "Connections closed because their listener had as many as it may have; the oldest in its handshake, or the newest.",
    ["listener"],
)
HANDSHAKES_FAILED: Final = Counter(
    "stoker_tls_handshakes_failed_total",
    "TLS handshakes that failed: timeout, certificate (the client's is refused, or missing), tls, other (cut off).",
    ["listener", "reason"],
)
IRREGULARITIES: Final = Counter(
    "stoker_time_irregularities_total",
    "Times that the process stood still for seconds (suspended), or that its clock was set (clock-set).",
    ["kind"],
)
