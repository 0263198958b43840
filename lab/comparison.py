"""What differs between two stored pods that were created from the same manifest."""

from __future__ import annotations

from typing import Any, Final

_TOKEN_VOLUME: Final = "kube-api-access-"  # noqa: S105 - the beginning of a volume's name
_PER_OBJECT: Final = ("uid", "resourceVersion", "creationTimestamp", "managedFields", "generation", "name")


def mutations(plain: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Paths of metadata and spec at which `other` is not as `plain`.

    What the API server makes anew for each object does not count: identity, times, the name of the token's volume.
    """
    return [
        *_differences(_without(plain["metadata"]), _without(other["metadata"]), "metadata"),
        *_differences(_same_token(plain["spec"]), _same_token(other["spec"]), "spec"),
    ]


def _without(metadata: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in metadata.items() if key not in _PER_OBJECT}


def _same_token(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _same_token(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_same_token(item) for item in value]
    return _TOKEN_VOLUME if isinstance(value, str) and value.startswith(_TOKEN_VOLUME) else value


def _differences(one: Any, other: Any, path: str) -> list[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        keys = [*one, *(key for key in other if key not in one)]
        return [found for key in keys for found in _differences(one.get(key), other.get(key), f"{path}.{key}")]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [found for number, pair in pairs for found in _differences(*pair, f"{path}[{number}]")]
    return [] if one == other else [path]
