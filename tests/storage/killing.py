"""A program that follows connectors into a file or an archive, until it is killed or, if it is told so, has all."""

import asyncio
import sys

from cfevents import Budget, Client, Fleet
from cfevents.storage import Archive, NDJSONFile

CONNECTORS = ["c1", "c2", "c3"]


async def into_file(client: Client, fleet: Fleet, path: str, since: int, *, once: bool) -> None:
    async with NDJSONFile(path) as file:
        print("open", flush=True)
        follower = client.follow_events(fleet, since=since, checkpoint=file.checkpoint, interval=0.05)
        detailed = follower.details(kinds="StartUpgrade")
        async for batch in (detailed.once() if once else detailed).batches():
            await file.write(batch)


async def into_archive(client: Client, fleet: Fleet, path: str, since: int, *, once: bool) -> None:
    async with Archive(path) as archive:
        print("open", flush=True)
        print(await archive.sync(client, fleet, since=since, follow=not once, interval=0.05, details=True), flush=True)


async def main(place: str, path: str, since: str, until: str) -> None:
    into = {"file": into_file, "archive": into_archive}[place]
    async with Client(budget=Budget(10**7)) as client:
        await into(client, client.fleet(CONNECTORS), path, int(since), once=until == "once")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
