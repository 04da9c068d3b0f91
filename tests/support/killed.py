"""A program that follows connectors into a file, an archive or a sink, until it is killed or, if told so, has all."""

import asyncio
from multiprocessing.connection import Connection
from typing import Any

from cfevents import Budget, Client, Fleet
from cfevents.sinks import connect, forward, splunk
from cfevents.storage import Archive, NDJSONFile

CONNECTORS = ["c1", "c2", "c3"]


async def into_file(client: Client, fleet: Fleet, path: str, since: int, says: Connection, *, once: bool) -> None:
    async with NDJSONFile(path) as file:
        says.send("open")
        follower = client.follow_events(fleet, since=since, checkpoint=file.checkpoint, interval=0.05)
        detailed = follower.details(kinds="StartUpgrade")
        async for batch in (detailed.once() if once else detailed).batches():
            await file.write(batch)


async def into_archive(client: Client, fleet: Fleet, path: str, since: int, says: Connection, *, once: bool) -> None:
    async with Archive(path) as archive:
        says.send("open")
        await archive.sync(client, fleet, since=since, follow=not once, interval=0.05, details=True)


async def into_sink(client: Client, fleet: Fleet, url: str, since: int, says: Connection, *, once: bool) -> None:
    """Deliver into the sink of an address, behind which may be the path of a checkpoint, and a token."""
    url, checkpoint, token = f"{url}  ".split(" ")[:3]
    splunk._ACK_WAITS_S = (0.5, 1, 1)  # a confirmation that is lost costs no minutes
    async with connect(url, token=token or None) as sink:
        says.send("open")
        follower = client.follow_events(client.fleet(), since=since, interval=0.2)
        await forward(follower.once() if once else follower, sink, checkpoint=checkpoint or None)


def migrate(path: str, says: Connection) -> None:
    """Migrate an archive of an older version."""

    async def run() -> None:
        async with Archive(path) as archive:
            says.send("open")
            await archive._writer()

    asyncio.run(run())


def main(place: str, path: str, since: int, options: dict[str, Any], says: Connection, *, once: bool) -> None:
    """Run until the process is killed, or once; tell when the file or the archive is open."""
    into = {"file": into_file, "archive": into_archive, "sink": into_sink}[place]

    async def run() -> None:
        async with Client(**options, budget=Budget(10**7)) as client:
            await into(client, client.fleet(CONNECTORS), path, since, says, once=once)

    asyncio.run(run())
