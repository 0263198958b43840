"""The lab's constants: everything physical, and the demo's fleet and load. Read from a TOML file, checked on loading.

All seconds are seconds of the modelled cluster unless a name says `wall`; megabytes are 10^6 bytes.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from model.errors import InvalidImage, InvalidInput
from model.images import parse_image

DEFAULT_FILE = Path(__file__).with_name("constants.toml")

Seconds = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]
Factor = Annotated[float, Field(ge=1, le=1_000, allow_inf_nan=False)]
Architecture = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9_]+$")]
Quantity = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$")]
Name = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
SecondsByArchitecture = dict[Architecture, Seconds]

NodeState = Literal["warm", "truncated", "without-kata", "kata-installing", "kata-installed", "containerd-restarted"]
PullPolicy = Literal["Always", "IfNotPresent"]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Image(_Table):
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


class UnknownImage(_Table):
    """What is assumed of an image that has no table of its own."""

    megabytes: Annotated[float, Field(ge=0, le=1_000_000)]
    """Its size."""

    application_seconds: SecondsByArchitecture
    """As for a known image."""


class Pull(_Table):
    """How a node pulls images."""

    fixed_seconds: Seconds
    """Seconds of each pull whatever its size: manifest, authentication, the last layer's unpacking."""

    megabytes_per_second: Annotated[float, Field(gt=0, le=100_000)]
    """Rate of one node, shared by the pulls that run there at the same moment."""

    parallel: Annotated[int, Field(ge=1, le=1_000)]
    """Pulls a kubelet runs at once; 1 is serializeImagePulls."""

    manifest_check_seconds: Seconds
    """Seconds of a pull that finds the image present (imagePullPolicy Always, or a pull queued behind the same image)."""


class Boot(_Table):
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


class SandboxKind(_Table):
    """What a kind of sandbox costs."""

    boot_seconds: Seconds
    """Seconds from the kubelet's request until the sandbox runs."""

    init_seconds: Seconds
    """Seconds of one init container inside it."""

    ready_seconds: Seconds
    """Seconds from the application's listening to the pod's condition Ready."""


class Sandbox(_Table):
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


class Kata(_Table):
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


class Settling(_Table):
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


class Contention(_Table):
    """Starts that hinder each other."""

    free_starts: Annotated[int, Field(ge=0)]
    """Simultaneous starts on a node that cost nothing."""

    seconds_per_extra_start: Seconds
    """Seconds by which each further one delays an application."""


class Disks(_Table):
    """Nodes whose disks are slow, which nothing in the API tells of."""

    slow_share: Annotated[float, Field(ge=0, le=1)]
    """Share of such nodes."""

    slow_factor: Factor
    """By how much pulls and applications take longer there."""


class Noise(_Table):
    """Chance."""

    sigma: Annotated[float, Field(ge=0, le=2)]
    """Standard deviation of the logarithm of every duration."""


class Report(_Table):
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


class Heartbeats(_Table):
    """Signs of life; kube-controller-manager counts in wall seconds, so these are not compressed."""

    interval_wall_seconds: Annotated[float, Field(gt=0, le=3_600)]
    """Wall seconds between two renewals of a node's Lease."""

    lease_seconds: Annotated[int, Field(ge=1)]
    """Duration that the Lease names."""


class Filler(_Table):
    """Images of others that push a tenant's out of a truncated report."""

    count: Annotated[int, Field(ge=0, le=1_000)]
    """How many a truncated node has."""

    megabytes: Annotated[float, Field(gt=0)]
    """The size of the smallest of them."""


class NodeGroup(_Table):
    """Equal nodes of a fleet."""

    name: Name
    """Nodes are called by it, with a number."""

    count: Annotated[int, Field(ge=0, le=20_000)]
    """How many."""

    instance_type: str
    """Value of their label node.kubernetes.io/instance-type."""

    architecture: Architecture
    """Value of their label kubernetes.io/arch."""

    cpu: Quantity
    """Allocatable CPU."""

    memory: Quantity
    """Allocatable memory."""

    pods: Annotated[int, Field(ge=1)] = 110
    """Allocatable pods."""

    state: NodeState
    """What has happened to them: warm (long ago), truncated (warm, but the report is full of larger images), without-kata,
    kata-installing (kata-deploy begins with the fleet), kata-installed or containerd-restarted `seconds_ago`."""

    seconds_ago: Seconds = 0
    """How long before the scene is set the event of the state happened."""

    images: tuple[str, ...] | None = None
    """Which of the images are present; absent means all."""


class TenantPod(_Table):
    """The pods of the demo's tenant."""

    image: str
    """Which of the images the container runs."""

    init_image: str
    """Which of the images the init container runs."""

    image_pull_policy: PullPolicy
    """What the manifests say before anybody changes them."""

    cpu: Quantity
    """CPU request."""

    memory: Quantity
    """Memory request."""


class OtherPod(_Table):
    """The pods of namespaces that have nothing to do with Stoker."""

    image: str
    """Which of the images the container runs."""

    image_pull_policy: PullPolicy
    """As in their manifests."""

    cpu: Quantity
    """CPU request."""

    memory: Quantity
    """Memory request."""


class Load(_Table):
    """What is created in the demo."""

    tenant_pods: Annotated[int, Field(ge=0)]
    """How many pods of the tenant."""

    other_pods: Annotated[int, Field(ge=0)]
    """How many of others."""

    tenant: TenantPod
    """What the former look like."""

    other: OtherPod
    """What the latter look like."""


class Demo(_Table):
    """The demo's fleet and load."""

    fleet: tuple[NodeGroup, ...] = Field(min_length=1)
    """Its nodes."""

    load: Load
    """Its pods."""


class Constants(_Table):
    """The whole file."""

    speed: Annotated[float, Field(gt=0, le=1_000)] = 20
    """Seconds of the modelled cluster in a wall second."""

    seed: int
    """What all chance in the lab is derived from."""

    images: dict[str, Image]
    """The images that are known, by short names."""

    unknown_image: UnknownImage
    """All others."""

    pull: Pull
    boot: Boot
    sandbox: Sandbox
    kata: Kata
    settling: Settling
    contention: Contention
    disks: Disks
    noise: Noise
    report: Report
    heartbeats: Heartbeats
    filler: Filler
    demo: Demo

    @model_validator(mode="after")
    def _refers_to_what_there_is(self) -> Constants:
        complaints = [*self._missing_images(), *self._missing_architectures(), *self._repeated_groups()]
        if complaints:
            raise ValueError("; ".join(complaints))
        return self

    def _missing_images(self) -> Iterator[str]:
        load = self.demo.load
        wanted = [
            ("kata.image", self.kata.image),
            ("demo.load.tenant.image", load.tenant.image),
            ("demo.load.tenant.init_image", load.tenant.init_image),
            ("demo.load.other.image", load.other.image),
            *((f"demo.fleet {group.name}", name) for group in self.demo.fleet for name in group.images or ()),
        ]
        return (f"{where}: there is no [images.{name}]" for where, name in wanted if name not in self.images)

    def _missing_architectures(self) -> Iterator[str]:
        tables: dict[str, dict[str, Any]] = {
            "unknown_image.application_seconds": dict(self.unknown_image.application_seconds),
            "boot.registered_seconds": dict(self.boot.registered_seconds),
            "boot.ready_seconds": dict(self.boot.ready_seconds),
        }
        for name, image in self.images.items():
            tables[f"images.{name}.bytes"] = dict(image.bytes)
            tables[f"images.{name}.application_seconds"] = dict(image.application_seconds)
        for architecture in sorted({group.architecture for group in self.demo.fleet}):
            for key, table in tables.items():
                if architecture not in table:
                    yield f"{key}: nothing for {architecture}, which demo.fleet has"

    def _repeated_groups(self) -> Iterator[str]:
        names = [group.name for group in self.demo.fleet]
        return (f"demo.fleet: two groups are called {name}" for name in sorted(set(names)) if names.count(name) > 1)


def load_constants(path: Path | None = None) -> Constants:
    """The constants of `path`, else those that Stoker ships; InvalidInput says which key is wrong and how."""
    path = path or DEFAULT_FILE
    try:
        return Constants.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise InvalidInput(f"the lab's constants {path} cannot be read: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"the lab's constants {path} are not TOML: {error}") from error
    except ValidationError as error:
        complaints = "; ".join(_complaint(item["loc"], item["msg"]) for item in error.errors())
        raise InvalidInput(f"the lab's constants {path}: {complaints}") from error


def _complaint(location: tuple[int | str, ...], message: str) -> str:
    key = ".".join(str(part) for part in location)
    return f"{key}: {message}" if key else message.removeprefix("Value error, ")
