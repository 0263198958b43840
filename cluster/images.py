"""Images as nodes report them. A fleet reports the same entries again and again: each is read once, for all nodes."""

from __future__ import annotations

import sys
from typing import Final
from weakref import WeakValueDictionary

import msgspec

from model.images import canonical_image

LARGEST_IMAGE_BYTES: Final = 10**15
"""A size beyond a petabyte, or a negative one, is a mistake of the reporter's and taken as unknown."""


class _Entry(msgspec.Struct, rename="camel", gc=False):
    names: list[str] | None = None
    size_bytes: int = 0


class NodeImage(msgspec.Struct, frozen=True, eq=False, weakref=True):
    """An entry of `status.images`. Equal entries are the same object as a rule, and it is its identity that counts."""

    names: tuple[str, ...]
    """Canonical, without what stands for a lost name (`<none>`)."""

    size_bytes: int
    believed_bytes: int
    """The size where it can be believed, else 0."""

    @property
    def is_impossible(self) -> bool:
        """Whether the size tells of a mistake. None at all (0) is no mistake, it only tells nothing."""
        return not 0 <= self.size_bytes <= LARGEST_IMAGE_BYTES


_reported: WeakValueDictionary[bytes, NodeImage] = WeakValueDictionary()
"""By their JSON the entries that any node reports, for as long as one does."""


def node_image(entry: bytes) -> NodeImage:
    """What the JSON of an entry says; raises msgspec.MsgspecError."""
    image = _reported.get(entry)
    if image is None:
        image = _reported[entry] = _read(entry)
    return image


def _read(entry: bytes) -> NodeImage:
    read = msgspec.json.decode(entry, type=_Entry)
    names = tuple(sys.intern(canonical_image(name)) for name in read.names or () if "<none>" not in name)
    is_believable = 0 < read.size_bytes <= LARGEST_IMAGE_BYTES
    return NodeImage(names, read.size_bytes, read.size_bytes if is_believable else 0)
