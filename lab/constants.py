"""The lab's constants: everything physical, and the demo's fleet and load, read from a TOML file and checked."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from lab import physical
from lab.fleets import Demo, NodeGroup
from lab.physical import Table
from lab.stories import Scenarios
from model.errors import InvalidInput

DEFAULT_FILE = Path(__file__).with_name("constants.toml")


class Constants(Table):
    """The whole file."""

    speed: Annotated[float, Field(gt=0, le=1_000)] = 20
    """Seconds of the modelled cluster in a wall second."""

    seed: int
    """What all chance in the lab is derived from."""

    images: dict[str, physical.Image]
    """The images that are known, by short names."""

    unknown_image: physical.UnknownImage
    """All others."""

    pull: physical.Pull
    boot: physical.Boot
    sandbox: physical.Sandbox
    kata: physical.Kata
    settling: physical.Settling
    contention: physical.Contention
    disks: physical.Disks
    noise: physical.Noise
    report: physical.Report
    heartbeats: physical.Heartbeats
    filler: physical.Filler
    demo: Demo
    scenarios: Scenarios | None = None
    """Absent means those of the shipped file, with this file's physics."""

    @model_validator(mode="after")
    def _refers_to_what_there_is(self) -> Constants:
        complaints = [*self._missing_images(), *self._missing_architectures(), *self._repeated_groups()]
        complaints += self.scenarios.complaints() if self.scenarios else []
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
            *((f"{where} {group.name}", name) for where, group in self._groups() for name in group.images or ()),
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
        users = {group.architecture: where for where, group in reversed(self._groups())}
        for architecture, where in sorted(users.items()):
            for key, table in tables.items():
                if architecture not in table:
                    yield f"{key}: nothing for {architecture}, which {where} has"

    def _groups(self) -> list[tuple[str, NodeGroup]]:
        """Every group of nodes, with the table that it stands in."""
        groups = [("demo.fleet", group) for group in self.demo.fleet]
        if self.scenarios is None:
            return groups
        for name, story in self.scenarios.stories().items():
            groups += [(f"scenarios.{name}.fleet", group) for group in story.fleet]
        return [*groups, ("scenarios.cold-join.joining", self.scenarios.cold_join.joining)]

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


def scenarios_of(constants: Constants) -> Scenarios:
    """Those of the constants, else the shipped ones; InvalidInput where these do not go with the constants' images."""
    if constants.scenarios is not None:
        return constants.scenarios
    shipped = load_constants().scenarios
    if shipped is None:
        raise InvalidInput(f"{DEFAULT_FILE} has no [scenarios]; name a file of constants that has")
    try:
        checked = Constants.model_validate({**constants.model_dump(), "scenarios": shipped.model_dump()})
    except ValidationError as error:
        complaints = "; ".join(_complaint(item["loc"], item["msg"]) for item in error.errors())
        raise InvalidInput(
            f"the constants name no [scenarios], and the shipped ones do not fit: {complaints}"
        ) from error
    return checked.scenarios or shipped


def _complaint(location: tuple[int | str, ...], message: str) -> str:
    key = ".".join(str(part) for part in location)
    return f"{key}: {message}" if key else message.removeprefix("Value error, ")
