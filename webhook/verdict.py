"""The verdict on one review: the answer, the log line and the metrics all render this object."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Literal, Self

from webhook.advice import Advice
from webhook.patch import Operation

Outcome = Literal["mutated", "unchanged", "passed", "refused"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a pod is not let in: `reason` is a constant word for metrics, the rest is the answer's Status."""

    reason: str
    message: str
    code: int
    status_reason: str

    @classmethod
    def forbidden(cls, reason: str, message: str) -> Self:
        """Trying again changes nothing."""
        return cls(reason, message, 403, "Forbidden")

    @classmethod
    def unavailable(cls, reason: str, message: str) -> Self:
        """Trying again may help; 503 is what controllers retry on."""
        return cls(reason, message, 503, "ServiceUnavailable")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is answered. `passed` means let in untouched, because there was nothing of ours to do."""

    outcome: Outcome
    profile: str = ""
    operations: tuple[Operation, ...] = ()
    warnings: tuple[Advice, ...] = ()
    refusal: Refusal | None = None

    @classmethod
    def passing(cls, *warnings: Advice, profile: str = "") -> Self:
        return cls("passed", profile, warnings=warnings)

    @classmethod
    def refusing(cls, refusal: Refusal, *, profile: str = "") -> Self:
        return cls("refused", profile, refusal=refusal)

    @property
    def allowed(self) -> bool:
        return self.refusal is None

    @property
    def operations_by_kind(self) -> Mapping[str, int]:
        return _counted(tuple([operation.kind for operation in self.operations]))

    @property
    def audit_annotations(self) -> dict[str, str]:
        """What the API server's audit log keeps, each key behind the webhook's name."""
        annotations: dict[str, str] = {"outcome": self.outcome}
        if self.profile:
            annotations["profile"] = self.profile
        if self.refusal is not None:
            annotations["refused"] = self.refusal.reason
        if self.operations:
            annotations["operations"] = _told(tuple([operation.kind for operation in self.operations]))
        return annotations


@lru_cache(maxsize=1_024)
def _counted(kinds: tuple[str, ...]) -> Mapping[str, int]:
    """Pods of a tenant are much alike: the same kinds come again and again."""
    return MappingProxyType(Counter(kinds))


@lru_cache(maxsize=1_024)
def _told(kinds: tuple[str, ...]) -> str:
    return " ".join(f"{kind}={count}" for kind, count in _counted(kinds).items())
