"""`python -m benchmarks.discard KUBECONFIG PATH ...`: read each of these lists with Stoker's client and throw it away.

Prints the seconds that it took, and the bytes. What a synchronisation is compared with: the same process without work.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from time import perf_counter
from typing import Final

import uvloop

from cluster.access import load_access
from cluster.client import ApiClient
from model.errors import ConnectionFailed

QUERY: Final = {
    "watch": "true",
    "allowWatchBookmarks": "true",
    "sendInitialEvents": "true",
    "resourceVersionMatch": "NotOlderThan",
}
END: Final = b"k8s.io/initial-events-end"
END_BYTES: Final = 512
"""Of the bookmark that has it, about twice what there is behind its beginning."""

DEADLINE_SECONDS: Final = 120.0
"""For a list whose end is not seen, since more came right behind it."""


async def discard(kubeconfig: Path, paths: list[str]) -> tuple[float, int]:
    """Seconds from the first request, and bytes; ConnectionFailed where a watch ends before its list."""

    async def read(client: ApiClient, path: str) -> int:
        tail, size_bytes = b"", 0
        async with client.stream(path, QUERY) as content:
            while END not in tail:
                chunk = await content.readany()
                if not chunk:
                    raise ConnectionFailed(f"{path}: the watch ended before its list")
                tail = (tail + chunk[-END_BYTES:])[-END_BYTES:]
                size_bytes += len(chunk)
        return size_bytes

    async with ApiClient(await load_access(kubeconfig)) as client, asyncio.timeout(DEADLINE_SECONDS):
        begun = perf_counter()
        sizes = await asyncio.gather(*(read(client, path) for path in paths))
        return perf_counter() - begun, sum(sizes)


def main() -> None:
    kubeconfig, *paths = sys.argv[1:]
    seconds, size_bytes = uvloop.run(discard(Path(kubeconfig), paths))
    sys.stdout.write(f"{seconds} {size_bytes}\n")


if __name__ == "__main__":
    main()
