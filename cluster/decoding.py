"""How the JSON of one collection becomes events and objects, and what becomes of JSON that cannot be read."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final, Generic, TypeVar

import msgspec

from cluster import metrics, wire
from model.errors import ConnectionFailed

log = logging.getLogger(__name__)

CHANGES: Final = frozenset({"ADDED", "MODIFIED", "DELETED"})

_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

T = TypeVar("T", bound=wire.Object)


class Decoding(Generic[T]):
    """Of the collection `name`, whose objects are of this kind.

    Events that came together are read together with their objects, which takes half the time of one by one. Only what
    is out of the ordinary (the end of a list, an error, an event that is not as expected or has an object that is not)
    is read by itself.
    """

    def __init__(self, name: str, kind: type[T]) -> None:
        self._name = name
        self._kind = kind
        self._objects = msgspec.json.Decoder(kind)
        self._events = msgspec.json.Decoder(wire.WatchEvent)
        self._batches = wire.event_decoder(kind)

    def changes(self, batch: bytes, texts: Sequence[bytes]) -> Sequence[wire.ObjectEvent[T] | None]:
        """The events in these lines, whose texts stand beside; None in place of each to be read by itself (`event`)."""
        try:
            events = self._batches.decode_lines(batch)
        except _UNREADABLE:
            return [None] * len(texts)
        if len(events) != len(texts):  # somebody writes several in a line, or one in several
            return [None] * len(texts)
        return [event if event.type in CHANGES and event.object.metadata.name else None for event in events]

    def event(self, text: bytes) -> wire.WatchEvent:
        """The event in a line; raises ConnectionFailed."""
        try:
            return self._events.decode(text)
        except _UNREADABLE as error:
            raise ConnectionFailed(f"{self._name}: a watch event cannot be read ({error})") from error

    def document(self, text: bytes) -> bytes:
        """The JSON of the object in a line."""
        return bytes(self.event(text).object)

    def object(self, raw: msgspec.Raw) -> T | None:
        """The object; with its metadata alone where the rest cannot be read; None where nothing can."""
        try:
            item = self._objects.decode(raw)
            if not item.metadata.name:
                raise msgspec.ValidationError("the object has no name")
        except _UNREADABLE as error:
            return self._bare(raw, error)
        return item

    def _bare(self, raw: msgspec.Raw, error: Exception) -> T | None:
        metrics.BAD_OBJECTS.labels(self._name).inc()
        try:
            item = wire.bare(raw, self._kind)
        except _UNREADABLE:
            log.warning("%s: an object without readable metadata is skipped (%s)", self._name, error)
            return None
        log.warning("%s %s: taken as unknown, it cannot be read (%s)", self._name, item.metadata.key, error)
        return item
