"""The sizes of images as nodes report them, by image and architecture, so that no request walks the fleet's images."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from cluster.images import NodeImage

SizeObserver = Callable[[str, str], None]


class ReportedSizes:
    """The largest size that any node of an architecture reports for an image.

    Counted are, for each entry, the nodes that report it, and for each image the different entries of a size. So a node
    costs one step for each of its entries, and the names in them only where nobody else reports the same.
    """

    def __init__(self) -> None:
        self.observers: list[SizeObserver] = []
        """Told image and architecture whenever `bytes_of` them has become something else."""

        self._reports: dict[str, dict[NodeImage, int]] = {}
        self._entries: dict[tuple[str, str], dict[int, int]] = {}
        self._largest: dict[tuple[str, str], int] = {}

    def bytes_of(self, image: str, architecture: str) -> int | None:
        return self._largest.get((image, architecture))

    def add(self, architecture: str, images: Iterable[NodeImage]) -> None:
        """A node of the architecture reports these, each once."""
        reports = self._reports.setdefault(architecture, {})
        for image in images:
            known = reports.get(image, 0)
            reports[image] = known + 1
            if not known:
                self._count(image, architecture, 1)

    def remove(self, architecture: str, images: Iterable[NodeImage]) -> None:
        """It does not any more."""
        reports = self._reports.get(architecture, {})
        for image in images:
            reports[image] -= 1
            if not reports[image]:
                del reports[image]
                self._count(image, architecture, -1)

    def _count(self, image: NodeImage, architecture: str, more: int) -> None:
        """One entry more, or one less, that gives its names its size."""
        size = image.believed_bytes
        for name in image.names if size else ():
            key = name, architecture
            entries = self._entries.setdefault(key, {})
            entries[size] = entries.get(size, 0) + more
            if not entries[size]:
                del entries[size]
            self._note_largest(key, max(entries, default=None))

    def _note_largest(self, key: tuple[str, str], largest: int | None) -> None:
        if largest == self._largest.get(key):
            return
        if largest is None:
            del self._entries[key], self._largest[key]
        else:
            self._largest[key] = largest
        for observer in self.observers:
            observer(*key)
