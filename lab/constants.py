"""The lab's constants: everything physical, and the demo's fleet and load, read from a TOML file and checked."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from lab import physical
from lab.fleets import Demo
from lab.physical import Table
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
