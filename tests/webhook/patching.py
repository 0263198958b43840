"""RFC 6902, as much of it as patches of ours may use: `add` and `replace`; strict, as the API server is."""

from __future__ import annotations

import copy
from typing import Any

import msgspec

from model.profiles import TenantProfile
from webhook.mutations import mutate
from webhook.patch import Operation, encode_patch
from webhook.pods import Pod


def read_pod(manifest: dict[str, Any]) -> Pod:
    return msgspec.json.decode(msgspec.json.encode(manifest), type=Pod)


def operations_for(manifest: dict[str, Any], profile: TenantProfile) -> list[Operation]:
    return mutate(read_pod(manifest), profile)


def mutated(manifest: dict[str, Any], profile: TenantProfile) -> dict[str, Any]:
    return apply_patch(manifest, msgspec.json.decode(encode_patch(operations_for(manifest, profile))))


def apply_patch(document: dict[str, Any], patch: list[dict[str, Any]]) -> dict[str, Any]:
    """A patched copy; raises where an operation does not fit the document."""
    patched = copy.deepcopy(document)
    for operation in patch:
        *parents, last = [
            part.replace("~1", "/").replace("~0", "~") for part in operation["path"].removeprefix("/").split("/")
        ]
        target: Any = patched
        for part in parents:
            target = target[int(part)] if isinstance(target, list) else target[part]
        _apply(target, last, operation)
    return patched


def _apply(target: Any, last: str, operation: dict[str, Any]) -> None:
    if isinstance(target, list):
        if operation["op"] != "add" or last != "-":
            raise ValueError(f"only appending to lists is expected: {operation}")
        target.append(operation["value"])
    elif not isinstance(target, dict):
        raise TypeError(f"{operation['path']} leads into {target!r}")
    elif operation["op"] == "replace" and last not in target:
        raise KeyError(f"replace of a member that does not exist: {operation}")
    elif operation["op"] in ("add", "replace"):
        target[last] = operation["value"]
    else:
        raise ValueError(f"unexpected operation {operation}")
