"""The wire: AdmissionReview of admission.k8s.io/v1, read in one pass with the pod inside, and its answer."""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from model.errors import InvalidRequest
from webhook.patch import encode_patch
from webhook.pods import Pod
from webhook.verdict import Refusal, Verdict

API_VERSION: Final = "admission.k8s.io/v1"
KIND: Final = "AdmissionReview"

S = TypeVar("S", bound="Subject")


class Resource(Struct, frozen=True):
    group: str = ""
    version: str = "v1"
    resource: str = "pods"


class Subject(Struct, frozen=True, rename="camel", kw_only=True):
    """What a review is about. Left out, operation and resource mean a pod's creation: the safe side is to look."""

    uid: str = ""
    operation: str = "CREATE"
    resource: Resource = Resource()
    sub_resource: str = ""
    namespace: str = ""
    name: str = ""

    @property
    def is_of_pods(self) -> bool:
        return self.resource.resource == "pods" and not self.resource.group

    @property
    def is_creation(self) -> bool:
        return self.operation == "CREATE" and not self.sub_resource


class AdmissionRequest(Subject, frozen=True, kw_only=True):
    """The subject with the pod that is to be created; None where the review carries none, or something else."""

    object: Pod | None = None

    @property
    def pod_name(self) -> str:
        """A name to show; pods of a generateName have none yet."""
        metadata = self.object.metadata if self.object else None
        prefix = metadata.generate_name if metadata else None
        return self.name or (metadata.name if metadata else None) or (f"{prefix}*" if prefix else "")


class _Review(Struct, frozen=True, rename="camel"):
    api_version: str = ""
    kind: str = ""
    request: AdmissionRequest | None = None


class _Envelope(Struct, frozen=True, rename="camel"):
    """A review whose object is not looked into."""

    api_version: str = ""
    kind: str = ""
    request: Subject | None = None


class _Status(Struct, frozen=True):
    code: int
    reason: str
    message: str


class _Response(Struct, frozen=True, rename="camel", omit_defaults=True):
    uid: str
    allowed: bool
    status: _Status | None = None
    patch_type: str | None = None
    patch: bytes | None = None
    warnings: list[str] | None = None
    audit_annotations: dict[str, str] | None = None


class _Answer(Struct, frozen=True, rename="camel"):
    response: _Response
    api_version: str = API_VERSION
    kind: str = KIND


_reviews: Final = msgspec.json.Decoder(_Review)
_envelopes: Final = msgspec.json.Decoder(_Envelope)
_encoder: Final = msgspec.json.Encoder()


def decode_review(body: bytes) -> AdmissionRequest:
    """The request of a review; raises InvalidRequest where this is no review that can be answered."""
    try:
        review = _reviews.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        return _without_pod(body, error)
    request = _checked(review.api_version, review.kind, review.request)
    if request.is_of_pods and request.is_creation:
        _check_pod(request)
    return request


def encode_answer(uid: str, verdict: Verdict) -> bytes:
    response = _Response(
        uid=uid,
        allowed=verdict.allowed,
        status=_status(verdict.refusal) if verdict.refusal else None,
        patch_type="JSONPatch" if verdict.operations else None,
        patch=encode_patch(verdict.operations) if verdict.operations else None,
        warnings=[advice.text for advice in verdict.warnings] or None,
        audit_annotations=verdict.audit_annotations,
    )
    return _encoder.encode(_Answer(response))


def _status(refusal: Refusal) -> _Status:
    return _Status(refusal.code, refusal.status_reason, refusal.message)


def _without_pod(body: bytes, error: Exception) -> AdmissionRequest:
    """Second look at a review that could not be read: which part of it is wrong, or is it no pod at all?"""
    try:
        envelope = _envelopes.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as outer:
        expected = f"expected an {KIND} of {API_VERSION} as JSON"
        raise InvalidRequest(f"{expected}: {outer}", reason="malformed") from outer
    subject = _checked(envelope.api_version, envelope.kind, envelope.request)
    if subject.is_of_pods and subject.is_creation:
        raise InvalidRequest(f"expected a Pod of v1 in request.object: {error}", reason="malformed") from error
    return AdmissionRequest(
        uid=subject.uid,
        operation=subject.operation,
        resource=subject.resource,
        sub_resource=subject.sub_resource,
        namespace=subject.namespace,
        name=subject.name,
    )


def _checked(api_version: str, kind: str, request: S | None) -> S:
    if kind != KIND:
        raise InvalidRequest(f"expected kind {KIND!r}, got {kind!r}", reason="wrong_kind")
    if api_version != API_VERSION:
        raise InvalidRequest(f"expected apiVersion {API_VERSION!r}, got {api_version!r}", reason="wrong_version")
    if request is None:
        raise InvalidRequest("expected an AdmissionReview with a request, got none", reason="no_request")
    if not request.uid:
        raise InvalidRequest("expected a request with a uid, got none: it could not be answered", reason="no_uid")
    return request


def _check_pod(request: AdmissionRequest) -> None:
    if request.object is None:
        raise InvalidRequest("expected a Pod in request.object, got none", reason="no_object")
    if not request.namespace:
        raise InvalidRequest("expected the pod's namespace in request.namespace, got none", reason="no_namespace")
