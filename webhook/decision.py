"""From a review to a verdict."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from model.names import PROFILE_LABEL
from model.profiles import TenantProfile
from webhook.advice import Advice, advise
from webhook.attendance import attended
from webhook.mutations import mutate, wrong_runtime_class
from webhook.pods import Pod
from webhook.review import AdmissionRequest
from webhook.tenancy import Membership, Tenancy, await_profile, look_up
from webhook.verdict import Refusal, Verdict

UnknownProfile = Literal["refuse", "admit"]

LAG_BUDGET_SECONDS: Final = 1.0
"""How long a review may wait for the watches; the API server's own patience is several times that."""


@dataclass(frozen=True, slots=True)
class Admission:
    """Decides on reviews. It fails closed: a tenant's pod that cannot be changed as its profile says is refused."""

    tenancy: Tenancy
    unknown_profile: UnknownProfile = "refuse"
    lag_budget_seconds: float = LAG_BUDGET_SECONDS
    clock: Callable[[], float] = time.monotonic

    def judge_known(self, request: AdmissionRequest) -> Verdict | None:
        """None where the namespace's profile is not known, and may be in a moment."""
        pod = self._concerned(request)
        if isinstance(pod, Verdict):
            return pod
        profile = look_up(self.tenancy, request.namespace).profile
        return None if profile is None else self._apply(pod, profile)

    async def judge(self, request: AdmissionRequest) -> Verdict:
        """Once the profile is known, or has been waited for."""
        pod = self._concerned(request)
        if isinstance(pod, Verdict):
            return pod
        membership = await await_profile(
            self.tenancy, request.namespace, budget_seconds=self.lag_budget_seconds, clock=self.clock
        )
        if membership.profile is None:
            return self._without_profile(request.namespace, membership)
        return self._apply(pod, membership.profile)

    def _concerned(self, request: AdmissionRequest) -> Pod | Verdict:
        """The pod that a profile may concern, or the verdict where it does not matter which one."""
        pod = request.object
        if not request.is_creation:
            return Verdict.passing()
        if not request.is_of_pods or pod is None or pod.kind != "Pod":
            return Verdict.passing(Advice("not-a-pod", "Stoker changes pods only; this object is left as it is"))
        if pod.is_mirror:
            return Verdict.passing()
        why_not = self.tenancy.ready()
        if why_not is not None:
            message = f"Stoker is not ready to admit tenants' pods: {why_not}; try again"
            return Verdict.refusing(Refusal.unavailable("not_ready", message))
        return pod

    def _apply(self, pod: Pod, profile: TenantProfile) -> Verdict:
        profile, unattended = attended(profile, self.tenancy.is_attended)
        return apply_profile(pod, profile, unattended)

    def _without_profile(self, namespace: str, membership: Membership) -> Verdict:
        if not membership.seen:
            message = f"Stoker has not seen namespace {namespace!r} yet; try again"
            return Verdict.refusing(Refusal.unavailable("unseen_namespace", message))
        name = membership.profile_name
        if name is None:
            return Verdict.passing()
        if self.unknown_profile == "admit":
            text = f"TenantProfile {name[:50]!r} is unknown: the pod is left as it is"
            return Verdict.passing(Advice("unknown-profile", text), profile=name)
        message = (
            f"namespace {namespace!r} asks for TenantProfile {name!r} (label {PROFILE_LABEL}), "
            f"which does not exist or is not valid; create it, or correct the label"
        )
        return Verdict.refusing(Refusal.forbidden("unknown_profile", message), profile=name)


def apply_profile(pod: Pod, profile: TenantProfile, unattended: tuple[Advice, ...] = ()) -> Verdict:
    """The verdict on a pod whose profile is known; `unattended` is told where it could have concerned the pod."""
    complaint = wrong_runtime_class(pod, profile)
    if complaint is not None:
        return Verdict.refusing(Refusal.forbidden("runtime_class", complaint), profile=profile.name)
    operations = tuple(mutate(pod, profile))
    outcome: Literal["mutated", "unchanged"] = "mutated" if operations else "unchanged"
    told = () if pod.spec.node_name or pod.is_of_daemon_set else unattended
    return Verdict(outcome, profile.name, operations, (*told, *advise(pod, profile)))
