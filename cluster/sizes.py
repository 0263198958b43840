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
        self._entries: dict[str, dict[str, dict[int, int]]] = {}
        """By architecture, of the images that several entries give a size, the number of entries by size."""

        self._largest: dict[str, dict[str, int]] = {}

    def bytes_of(self, image: str, architecture: str) -> int | None:
        known = self._largest.get(architecture)
        return None if known is None else known.get(image)

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
        if not reports:
            for by_architecture in (self._reports, self._entries, self._largest):
                by_architecture.pop(architecture, None)

    def _count(self, image: NodeImage, architecture: str, more: int) -> None:
        """One entry more, or one less, that gives its names its size."""
        size = image.believed_bytes
        for name in image.names if size else ():
            self._note_largest(name, architecture, self._counted(name, architecture, size, more))

    def _counted(self, name: str, architecture: str, size: int, more: int) -> int | None:
        """The largest size after this entry; of most images it is the only one, which is not worth a dictionary."""
        several = self._entries.setdefault(architecture, {})
        only = self.bytes_of(name, architecture)
        if name not in several and (only is None or more < 0):
            return size if more > 0 else None
        entries = several.setdefault(name, {} if only is None else {only: 1})
        entries[size] = entries.get(size, 0) + more
        if not entries[size]:
            del entries[size]
        largest = max(entries)
        if entries == {largest: 1}:
            del several[name]
        return largest

    def _note_largest(self, name: str, architecture: str, largest: int | None) -> None:
        known = self._largest.setdefault(architecture, {})
        if largest == known.get(name):
            return
        if largest is None:
            del known[name]
        else:
            known[name] = largest
        for observer in self.observers:
            observer(name, architecture)
