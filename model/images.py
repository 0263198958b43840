"""Image references: one spelling for each image, and which tags may change under it.

The grammar and the defaults (`docker.io`, `library/`, `:latest`) are those of the distribution project's reference
package, which containerd and the kubelet use: `nginx`, `docker.io/library/nginx` and `nginx:latest` are one image.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from model.errors import InvalidImage

DEFAULT_REGISTRY = "docker.io"
MAX_NAME_LENGTH = 255

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_REGISTRY = re.compile(
    r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}")

_MOVING_WORDS = frozenset(
    (
        *("latest", "main", "master", "trunk", "head", "dev", "devel", "develop"),
        *("nightly", "edge", "canary", "stable", "snapshot", "rolling", "current"),
    )
)
_WORDS = re.compile(r"[._-]")


@dataclass(frozen=True, slots=True)
class ImageReference:
    """An image as a registry knows it; either the tag or the digest may be empty, never both."""

    registry: str
    repository: str
    tag: str
    digest: str

    @property
    def canonical(self) -> str:
        """The one spelling under which images are compared: a digest, where there is one, outranks the tag."""
        name = f"{self.registry}/{self.repository}"
        return f"{name}@{self.digest}" if self.digest else f"{name}:{self.tag}"

    @property
    def is_mutable(self) -> bool:
        """Whether the content behind this reference is expected to change.

        A digest never moves. A tag is taken to move when one of its words is a branch or channel (`latest`, `main`,
        `stable`, `nightly-arm64`) or when it has no digit at all; versions, dates and commits all have one.
        """
        if self.digest:
            return False
        if not any(character.isdigit() for character in self.tag):
            return True
        return not _MOVING_WORDS.isdisjoint(_WORDS.split(self.tag.lower()))


def parse_image(reference: str) -> ImageReference:
    """Read an image reference as a container runtime would; raises InvalidImage."""
    name, at, digest = reference.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        raise InvalidImage(f"image {reference!r}: {digest!r} is not a digest such as sha256:<64 hex digits>")
    head, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        head, tag = name, ""
    elif not _TAG.fullmatch(tag):
        raise InvalidImage(f"image {reference!r}: {tag!r} is not a tag (letters, digits, _ . -, at most 128)")
    registry, repository = _split_registry(head)
    if not _REGISTRY.fullmatch(registry):
        raise InvalidImage(f"image {reference!r}: {registry!r} is not a registry's host name")
    if not _PATH.fullmatch(repository) or len(registry) + len(repository) >= MAX_NAME_LENGTH:
        raise InvalidImage(
            f"image {reference!r}: {repository!r} is not a repository (lower-case words joined by / . _ -)"
        )
    return ImageReference(registry, repository, tag or ("" if digest else "latest"), digest)


REFERENCES_REMEMBERED: Final = 8_192
"""Those of the pods that come and go. Of what nodes report each entry is read once; a third of a kilobyte each."""


@lru_cache(REFERENCES_REMEMBERED)
def canonical_image(reference: str) -> str:
    """The canonical spelling, or the text itself where it is no reference (it then equals only itself)."""
    try:
        return parse_image(reference).canonical
    except InvalidImage:
        return reference


def _split_registry(name: str) -> tuple[str, str]:
    """The first component is a registry only when it looks like a host: a dot, a port, or `localhost`."""
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost" or first != first.lower()):
        registry, repository = first, rest
    else:
        registry, repository = DEFAULT_REGISTRY, name
    if registry == "index.docker.io":
        registry = DEFAULT_REGISTRY
    if registry == DEFAULT_REGISTRY and "/" not in repository:
        repository = f"library/{repository}"
    return registry, repository
