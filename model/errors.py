"""Everything Stoker raises on purpose. A message says what was wrong, where, and what to do.

StokerError
├── InvalidInput            what somebody handed in cannot be used as it is
│   ├── InvalidImage        an image reference
│   ├── InvalidProfile      a TenantProfile
│   └── InvalidRequest      a request to one of our servers (carries the HTTP status of its answer)
├── CertificateError        a certificate or key that cannot be used
│   └── SpoiltSecret        the CA Secret was read, and nothing can be made of it
├── ApiError                the Kubernetes API refused (carries the HTTP status and reason)
│   ├── NotFound            there is no such object
│   ├── Conflict            a precondition did not hold: somebody wrote first
│   └── Expired             410: the resource version is too old to continue from
├── ConnectionFailed        the Kubernetes API could not be reached, or broke off
└── LabError                the lab could not do what was asked
    └── PortTaken           somebody else listens on a port that was free a moment ago
"""

from __future__ import annotations


class StokerError(Exception):
    """The root of all errors raised on purpose."""


class InvalidInput(StokerError):
    """What somebody handed in cannot be used as it is."""


class InvalidImage(InvalidInput):
    """An image reference that no runtime would accept."""


class InvalidProfile(InvalidInput):
    """A TenantProfile that cannot be used."""


class InvalidRequest(InvalidInput):
    """A request that gets a 4xx answer; `reason` is a constant word for metrics."""

    def __init__(self, message: str, *, status: int = 400, reason: str = "malformed") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class CertificateError(StokerError):
    """A certificate or a key that cannot be used."""


class SpoiltSecret(CertificateError):
    """The CA Secret was read, and nothing can be made of it, by this replica or another."""


class ApiError(StokerError):
    """The Kubernetes API refused a request."""

    def __init__(self, message: str, *, status: int, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class NotFound(ApiError):
    """There is no such object."""


class Conflict(ApiError):
    """A precondition did not hold: somebody else wrote first, or the object exists already."""


class Expired(ApiError):
    """The API server no longer has the resource version that was asked for (410)."""


class ConnectionFailed(StokerError):
    """The Kubernetes API could not be reached, or the connection broke off."""


class LabError(StokerError):
    """The lab could not do what was asked."""


class PortTaken(LabError):
    """Somebody else listens on a port that was free a moment ago; another port will do."""
