"""`python -m benchmarks.discard SERVER PATH=BYTES ...`: read so many bytes of each list with Stoker's own client and
throw them away; prints the seconds it took. What a synchronisation is compared with: the same process but for the work.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from time import perf_counter

import uvloop

from cluster.access import Access
from cluster.client import ApiClient

QUERY = {"watch": "true", "allowWatchBookmarks": "true", "sendInitialEvents": "true"}


async def discard(server: str, sizes: dict[str, int]) -> float:
    async def authorization() -> str | None:
        return None

    async def read(client: ApiClient, path: str, size_bytes: int) -> None:
        async with client.stream(path, QUERY) as content:
            while size_bytes > 0:
                size_bytes -= len(await content.readany())

    async with ApiClient(Access(server, ssl.create_default_context(), authorization)) as client:
        begun = perf_counter()
        await asyncio.gather(*(read(client, path, size) for path, size in sizes.items()))
        return perf_counter() - begun


def main() -> None:
    server, *collections = sys.argv[1:]
    sizes = {path: int(size) for path, _, size in (item.partition("=") for item in collections)}
    sys.stdout.write(f"{uvloop.run(discard(server, sizes))}\n")


if __name__ == "__main__":
    main()
