"""What is behind an image reference: bytes, names, and how long the application in it takes to start."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from lab.constants import Constants
from model.errors import InvalidImage
from model.images import ImageReference, canonical_image, parse_image


@dataclass(frozen=True, slots=True)
class ImageContent:
    """An image of one architecture as containerd stores it."""

    names: tuple[str, ...]
    """Digests before tags, all canonical."""

    size_bytes: int
    application_seconds: float

    @property
    def identity(self) -> str:
        """What the kubelet reports as imageID."""
        return self.names[0]


class Catalogue:
    """Every image there is; one that the constants do not know is assumed to be as they say of unknown ones."""

    def __init__(self, constants: Constants) -> None:
        self._constants = constants
        self._known = {canonical_image(image.reference): image for image in constants.images.values()}

    def content(self, reference: str, architecture: str) -> ImageContent:
        image = self._known.get(canonical_image(reference))
        unknown = self._constants.unknown_image
        size = image.bytes.get(architecture) if image else None
        seconds = (image or unknown).application_seconds.get(architecture)
        return ImageContent(
            names=_names(reference, architecture),
            size_bytes=int(unknown.megabytes * 1e6) if size is None else size,
            application_seconds=max(unknown.application_seconds.values(), default=0.0) if seconds is None else seconds,
        )

    def named(self, name: str, architecture: str) -> ImageContent:
        """By the short name in the constants."""
        return self.content(self._constants.images[name].reference, architecture)

    def filler(self, number: int, architecture: str) -> ImageContent:
        """One of the large images of others that fill a truncated report, each a megabyte larger than the last."""
        size = int((self._constants.filler.megabytes + number) * 1e6)
        names = _names(f"registry.example.com/batch/model-{number:03}:v1", architecture)
        return ImageContent(names, size, 0.0)


def _names(reference: str, architecture: str) -> tuple[str, ...]:
    try:
        image = parse_image(reference)
    except InvalidImage:
        return (reference,)
    if image.digest:
        return (image.canonical,)
    digest = hashlib.sha256(f"{image.canonical} {architecture}".encode()).hexdigest()
    return (ImageReference(image.registry, image.repository, "", f"sha256:{digest}").canonical, image.canonical)
