"""The tables of the lab's constants that describe machines, runtimes and networks.

All seconds are seconds of the modelled cluster unless a name says `wall`; megabytes are 10^6 bytes.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from model.errors import InvalidImage
from model.images import parse_image

Seconds = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]
Factor = Annotated[float, Field(ge=1, le=1_000, allow_inf_nan=False)]
Architecture = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9_]+$")]
Quantity = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$")]
Name = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
SecondsByArchitecture = dict[Architecture, Seconds]


class Table(BaseModel):
    """A table of the file: unknown keys are refused, and nothing changes after loading."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Image(Table):
    """One image that the lab knows."""

    reference: str
    """The reference under which pods name it."""

    bytes: dict[Architecture, Annotated[int, Field(ge=0)]]
    """Its size as a kubelet reports it, by architecture."""

    application_seconds: SecondsByArchitecture
    """Seconds from a container's start until the application in it listens, by architecture."""

    @model_validator(mode="after")
    def _is_a_reference(self) -> Image:
        try:
            parse_image(self.reference)
        except InvalidImage as error:
            raise ValueError(str(error)) from error
        return self


class UnknownImage(Table):
    """What is assumed of an image that has no table of its own."""

    megabytes: Annotated[float, Field(ge=0, le=1_000_000)]
    """Its size."""

    application_seconds: SecondsByArchitecture
    """As for a known image."""


class Pull(Table):
    """How a node pulls images."""

    fixed_seconds: Seconds
    """Seconds of each pull whatever its size: manifest, authentication, the last layer's unpacking."""

    megabytes_per_second: Annotated[float, Field(gt=0, le=100_000)]
    """Rate of one node, shared by the pulls that run there at the same moment."""

    parallel: Annotated[int, Field(ge=1, le=1_000)]
    """Pulls a kubelet runs at once; 1 is serializeImagePulls."""

    manifest_check_seconds: Seconds
    """Seconds of a pull that finds the image present (policy Always, or queued behind the same image)."""


class Boot(Table):
    """The start of a machine."""

    registered_seconds: SecondsByArchitecture
    """Seconds from the launch until the Node object exists."""

    ready_seconds: SecondsByArchitecture
    """Seconds from the launch until the node is Ready."""

    @model_validator(mode="after")
    def _registers_before_it_is_ready(self) -> Boot:
        for architecture, registered in self.registered_seconds.items():
            if registered > self.ready_seconds.get(architecture, registered):
                raise ValueError(f"registered_seconds.{architecture} is later than ready_seconds.{architecture}")
        return self


class SandboxKind(Table):
    """What a kind of sandbox costs."""

    boot_seconds: Seconds
    """Seconds from the kubelet's request until the sandbox runs."""

    init_seconds: Seconds
    """Seconds of one init container inside it."""

    ready_seconds: Seconds
    """Seconds from the application's listening to the pod's condition Ready."""


class Sandbox(Table):
    """Sandboxes, and what the kubelet does when it cannot have one."""

    kata: SandboxKind
    """Those of the Kata handlers."""

    runc: SandboxKind
    """Those of every other handler."""

    failed_attempt_seconds: Seconds
    """Seconds until an attempt that cannot succeed is refused."""

    retry_seconds: Annotated[float, Field(gt=0, le=86_400)]
    """Seconds from the first failure to the second attempt, before jitter."""

    retry_factor: Factor
    """By how much each wait is longer than the one before."""

    retry_max_seconds: Seconds
    """The longest wait, before jitter."""

    retry_jitter: Annotated[float, Field(ge=0, le=10)]
    """Each wait is multiplied by 1 + a random share of this."""


class Kata(Table):
    """kata-deploy and the RuntimeClass it brings."""

    image: str
    """Which of the images is kata-deploy's."""

    handlers: tuple[Name, ...] = Field(min_length=1)
    """Runtime handlers that work once it is installed."""

    install_seconds: Seconds
    """Seconds of copying and configuring, up to the restart of containerd."""

    runtime_class: Name
    """The RuntimeClass that the fleet creates, and its handler."""

    overhead_cpu: Quantity
    """CPU that the class adds to each pod."""

    overhead_memory: Quantity
    """Memory that the class adds to each pod."""

    @model_validator(mode="after")
    def _class_has_a_handler(self) -> Kata:
        if self.runtime_class not in self.handlers:
            raise ValueError(f"runtime_class {self.runtime_class!r} is none of the handlers; add it to them")
        return self


class Settling(Table):
    """What a restart of containerd does to a node."""

    outage_seconds: Seconds
    """Seconds in which every sandbox fails."""

    report_seconds: Seconds
    """Seconds until the kubelet reports the handlers that are configured then."""

    install_stall_seconds: Seconds
    """Seconds in which no pull begins after the runtime's first installation."""

    restart_stall_seconds: Seconds
    """Seconds in which no pull begins after any other restart."""

    sandbox_factor: Factor
    """By how much sandboxes boot slower while pulls stall."""


class Contention(Table):
    """Starts that hinder each other."""

    free_starts: Annotated[int, Field(ge=0)]
    """Simultaneous starts on a node that cost nothing."""

    seconds_per_extra_start: Seconds
    """Seconds by which each further one delays an application."""


class Disks(Table):
    """Nodes whose disks are slow, which nothing in the API tells of."""

    slow_share: Annotated[float, Field(ge=0, le=1)]
    """Share of such nodes."""

    slow_factor: Factor
    """By how much pulls and applications take longer there."""


class Noise(Table):
    """Chance."""

    sigma: Annotated[float, Field(ge=0, le=2)]
    """Standard deviation of the logarithm of every duration."""


class Report(Table):
    """What a kubelet tells of its images."""

    image_limit: Annotated[int, Field(ge=1)]
    """Images in a node's status, the largest first."""

    names_per_image: Annotated[int, Field(ge=1)]
    """Names of one image there, digests before tags."""

    refresh_min_seconds: Seconds
    """The earliest a pulled image is listed, after its pull."""

    refresh_max_seconds: Seconds
    """The latest."""

    @model_validator(mode="after")
    def _in_order(self) -> Report:
        if self.refresh_min_seconds > self.refresh_max_seconds:
            raise ValueError("refresh_min_seconds is greater than refresh_max_seconds")
        return self


class Heartbeats(Table):
    """Signs of life; kube-controller-manager counts in wall seconds, so these are not compressed."""

    interval_wall_seconds: Annotated[float, Field(gt=0, le=3_600)]
    """Wall seconds between two renewals of a node's Lease."""

    lease_seconds: Annotated[int, Field(ge=1)]
    """Duration that the Lease names."""


class Filler(Table):
    """Images of others that push a tenant's out of a truncated report."""

    count: Annotated[int, Field(ge=0, le=1_000)]
    """How many a truncated node has."""

    megabytes: Annotated[float, Field(gt=0)]
    """The size of the smallest of them."""
