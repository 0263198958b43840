"""From bytes to documents: what a fuzzer changes blindly would nearly always be no JSON any more.

So the bytes are read as a program: which document to begin with, which edits to make where. Those that begin with
`RAW` are handed on as they are.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

RAW: Final = 0
MOST_EDITS: Final = 12
LONGEST_TEXT: Final = 40

ODD: Final[Sequence[Any]] = (
    *(None, True, False, 0, -1, 1, 7, 10**15, 10**15 + 1, 2**31, 2**63 - 1, 2**63, -(2**63), 2**64, 10**40, 0.5, -0.0),
    *(1e308, "", "0", " ", "\x00", "\n", "\ud800", "é\u2028", "\U0001f525", "a" * 300, "/", "~1", "..", "a/b:c@d"),
    *(
        "CREATE",
        "pods",
        "tenant-a",
        "peers",
        "ghost",
        "unseen",
        "kata-qemu",
        "kata-agents",
        "Always",
        "Unknown",
        "True",
    ),
    *("500m", "1.5Gi", "2e3", "-1", "1e999", "1E", "+.5", "9" * 60, "0.000000001n", "cpu", "memory", "nvidia.com/gpu"),
    *("2026-03-03T10:00:00Z", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999-14:00"),
    *("2026-03-03", "2026-W10", "NaN", "docker.io/library/nginx:latest", "sha256:" + "0" * 64, "<none>@<none>"),
    *([], {}, [None], [[]], [{}], {"": ""}, {"name": None}, {"stoker.dev/profile": "kata-agents"}, ["a", "a"]),
)
"""Values that mean something to somebody, or that code trips over."""

KEYS: Final[Sequence[str]] = (
    *("metadata", "spec", "status", "name", "namespace", "uid", "labels", "annotations", "creationTimestamp"),
    *("containers", "initContainers", "volumes", "resources", "limits", "requests", "image", "conditions", "images"),
    *("nodeName", "affinity", "tolerations", "schedulingGates", "runtimeHandlers", "allocatable", "NodeNames", "Pod"),
    *("ownerReferences", "stoker.dev/profile", "stoker.dev/peer-pod", "cpu", "memory", "", "\ud800", "a\nb", "~/"),
    *("type", "object", "request", "operation", "names", "sizeBytes", "startup", "applicationSeconds", "peerPods"),
)


class Tape:
    """Reads numbers and texts from bytes; behind their end come zeros and empty texts."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    @property
    def is_over(self) -> bool:
        return self._place >= len(self._data)

    def below(self, limit: int) -> int:
        """A number from 0 to limit - 1, of one byte."""
        if self.is_over:
            return 0
        self._place += 1
        return self._data[self._place - 1] % limit

    def one_of(self, things: Sequence[Any]) -> Any:
        return things[self.below(len(things))]

    def text(self) -> str:
        length = self.below(LONGEST_TEXT)
        piece = self._data[self._place : self._place + length]
        self._place += length
        return piece.decode("utf-8", "replace")

    def rest(self) -> bytes:
        piece, self._place = self._data[self._place :], len(self._data)
        return piece


def document(data: bytes, originals: Sequence[bytes]) -> bytes:
    """One of the originals, edited as the bytes say; or the bytes behind `RAW`."""
    tape = Tape(data)
    if tape.below(8) == RAW:
        return tape.rest()
    root = [json.loads(tape.one_of(originals))]
    for _ in range(MOST_EDITS):
        if tape.is_over:
            break
        _edit(root, tape, originals)
    return json.dumps(root[0] if root else None, ensure_ascii=bool(tape.below(2))).encode("utf-8", "surrogatepass")


def _edit(root: list[Any], tape: Tape, originals: Sequence[bytes]) -> None:
    """Change one place: any container of the document and one of its members."""
    place: Any = root
    while (members := _keys(place)) and (tape.below(6) or place is root):
        child = place[tape.one_of(members)]
        if not isinstance(child, dict | list):
            break
        place = child
    _change(place, tape, originals)


def _change(place: Any, tape: Tape, originals: Sequence[bytes]) -> None:
    members = _keys(place)
    match tape.below(6):
        case 0 if members:
            del place[tape.one_of(members)]
        case 1 if members:
            _put(place, tape, _copy(place[tape.one_of(members)]))
        case 2:
            _put(place, tape, tape.text())
        case 3:
            _put(place, tape, json.loads(tape.one_of(originals)))
        case 4:
            _put(place, tape, tape.below(256) * 1_000 - tape.below(256))
        case _:
            _put(place, tape, _copy(tape.one_of(ODD)))


def _put(place: Any, tape: Tape, value: Any) -> None:
    """In place of a member, or as a new one."""
    members = _keys(place)
    if members and tape.below(4):
        place[tape.one_of(members)] = value
    elif isinstance(place, list):
        place.append(value)
    else:
        place[tape.one_of(KEYS) if tape.below(4) else tape.text()] = value


def _keys(place: Any) -> list[Any]:
    return list(place) if isinstance(place, dict) else list(range(len(place)))


def _copy(value: Any) -> Any:
    return json.loads(json.dumps(value))
