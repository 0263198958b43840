"""A change to a pod as RFC 6902 operations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

import msgspec


class Operation(msgspec.Struct, frozen=True):
    """One operation; `kind` says which mutation it belongs to, for metrics and the audit log, and is not sent."""

    kind: str
    op: Literal["add", "replace"]
    path: str
    value: Any


@lru_cache(maxsize=4_096)
def pointer(*parts: str | int) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def put(kind: str, path: tuple[str | int, ...], present: object, value: object) -> Operation:
    """Set a member of an existing object; `present` is what it holds now, None where it is absent."""
    return Operation(kind, "add" if present is None else "replace", pointer(*path), value)


def put_entries(
    kind: str, path: tuple[str | int, ...], present: Mapping[str, str] | None, entries: Mapping[str, str]
) -> list[Operation]:
    """Set entries of a map that may be absent; nothing for those that stand there already."""
    if present is None:
        return [Operation(kind, "add", pointer(*path), dict(entries))] if entries else []
    changed = {key: value for key, value in entries.items() if present.get(key) != value}
    return [put(kind, (*path, key), present.get(key), value) for key, value in changed.items()]


def append(
    kind: str, path: tuple[str | int, ...], present: Sequence[object] | None, values: Sequence[object]
) -> list[Operation]:
    """Add to the end of a list that may be absent; nothing where there are no values."""
    if not values:
        return []
    if present is None:
        return [Operation(kind, "add", pointer(*path), list(values))]
    end = pointer(*path, "-")
    return [Operation(kind, "add", end, value) for value in values]


def encode_patch(operations: Iterable[Operation]) -> bytes:
    """The JSON document of a patch."""
    return msgspec.json.encode(
        [{"op": operation.op, "path": operation.path, "value": operation.value} for operation in operations]
    )
