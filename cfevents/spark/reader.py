"""The work of one task: a partition, read with a client that keeps the pace of its slot."""

import asyncio
import math
import os
from collections.abc import AsyncGenerator, Awaitable, Iterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from cfevents._client import Client
from cfevents._http.budget import Budget
from cfevents._http.retry import Retry
from cfevents._listing.stream import EventStream
from cfevents._listing.stream_base import columns_of
from cfevents._model.api import EventMetadata, event_key
from cfevents._model.results import EventBatch
from cfevents._secrets import environment, mask
from cfevents._time import TimeWindow, now
from cfevents.errors import CfEventsError, ConfigurationError
from cfevents.frames import tables
from cfevents.spark.options import Options
from cfevents.spark.partitions import EventPartition

_MAX_BLOCK_WAIT_S = 3600  # others may prolong a block, and a task that fails has to read everything again
# "timestamp" alone may mean one without a zone: the session's spark.sql.timestampType decides.
_DDL_TYPES = {pa.string(): "string", pa.int64(): "bigint", pa.timestamp("us", tz="UTC"): "timestamp_ltz"}


def spark_columns(*, payloads: bool) -> list[tuple[str, str]]:
    """Return the names of the columns, and their types as Spark names them in DDL."""
    return [(column.name, _DDL_TYPES[column.type]) for column in tables.plain_schema(payloads=payloads)]


async def find_connectors(options: Options) -> tuple[str, ...]:
    """Return the ids of the connectors to read; raises `CfEventsError` where one of them cannot be requested."""
    if options.connectors is not None:
        return options.connectors
    async with open_client(options) as client:
        members = client.fleet()._members
        ids, errors = await members.resolve()
        members.raise_errors(errors)
        return ids


async def find_present(options: Options) -> float:
    """Return the present by the API's clock, in seconds since the Unix epoch, at the cost of one request.

    It is this machine's only where the response has no date.
    """
    async with open_client(options) as client:
        if options.connectors is None:
            await client.list_connectors()
        else:  # a token, or a proxy, may allow no more than these
            second = math.floor(now())  # a clock that was never set counts nothing back
            stream = client.list_events(options.connectors[0], since=second, until=second + 1, page_size=1, prefetch=0)
            async with aclosing(stream.pages()) as pages:
                await anext(pages, None)
        present = client._get_connection().clock.at(asyncio.get_running_loop().time())
        return now() if present is None else present


def read(partition: EventPartition, options: Options) -> Iterator[pa.RecordBatch]:
    """Yield a partition in batches; a note on a `CfEventsError` names the connector and the window."""
    columns = tables.Columns(payloads=options.details)
    try:
        with asyncio.Runner() as runner:
            batches = _record_batches(partition, options, columns)
            try:
                while (batch := runner.run(_wait_for(anext(batches, None)))) is not None:
                    yield columns.plain(batch)
            finally:
                runner.run(_wait_for(batches.aclose()))
    except CfEventsError as error:
        since, until = map(_format_time, partition.window)
        error.add_note(f"connector {partition.connector_id!r}, from {since} to {until}")
        # Spark prints a traceback several times over, and the message is lost in it.
        raise error.with_traceback(None) from None


async def _wait_for(awaitable: Awaitable[pa.RecordBatch | None]) -> pa.RecordBatch | None:
    return await awaitable  # a runner takes coroutines only


async def _record_batches(
    partition: EventPartition, options: Options, columns: tables.Columns
) -> AsyncGenerator[pa.RecordBatch, None]:
    async with (
        open_client(options) as client,
        aclosing(tables.batches(columns_of(read_events(client, partition, options)), columns)) as batches,
    ):
        async for batch in batches:
            yield batch


def _format_time(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    except (OverflowError, ValueError, OSError):  # outside the years that have a date
        return str(seconds)


async def read_events(client: Client, partition: EventPartition, options: Options) -> AsyncGenerator[EventBatch, None]:
    """Yield the events of a partition, without those of the partition before.

    Both list the seam between them, and which of an event's times the bounds mean is not known. So events that may lie
    in the seam are held back until the seam alone was listed, which brings just what both partitions have.
    """
    stream = _list_events(client, partition, options, partition.window)
    held_back = list[EventBatch]()
    async with aclosing((stream.details(concurrency=1) if options.details else stream)._batches()) as pages:
        async for page in pages:
            # Later ones belong to the next batch of a stream. So a batch has the same events whenever it is read, and
            # one that takes days does not move Spark's watermark so far that the next one's are too late for it.
            limit = math.inf if partition.collected_until is None else partition.collected_until
            batch = page.select([event.collected_ts <= limit for event in page.events])
            shared = [_may_lie_in(partition.seam, event) for event in batch.events]
            if any(shared):
                held_back.append(batch.select(shared))
            yield batch.select([not is_shared for is_shared in shared])
    if held_back and partition.seam is not None:
        before = {event_key(event) async for event in _list_events(client, partition, options, partition.seam)}
        for batch in held_back:
            yield batch.select([event_key(event) not in before for event in batch.events])


def _list_events(client: Client, partition: EventPartition, options: Options, window: TimeWindow) -> EventStream:
    # Without prefetch, no response waits while Spark takes its time.
    return client.list_events(
        partition.connector_id,
        since=window.since,
        until=window.until,
        kind=options.kind or None,
        page_size=options.page_size,
        prefetch=0,
    )


def _may_lie_in(seam: TimeWindow | None, event: EventMetadata) -> bool:
    times = event.recorded_ts, event.collected_ts
    # Up to a second more: whether bounds include the fractions of a second is not known.
    return seam is not None and any(seam.since - 1 < time < seam.until + 1 for time in times)


@asynccontextmanager
async def open_client(options: Options) -> AsyncGenerator[Client, None]:
    """Open a client that keeps the pace of one slot, without knowing of the others.

    Its first request waits a pace too: the task that had the slot before may have got a response just now.
    """
    # One request at a time, each a pace after the last response.
    budget = Budget(1, options.pace, options.share)
    # By then every slot has met the block: the last does so two paces after the first, if its task begins.
    budget._block.min_margin = 2 * options.pace + 1
    try:
        client = Client(
            api_token=_find_token(options),
            account_id=options.account_id,
            base_url=options.base_url,
            budget=budget,
            retry=Retry(max_block_wait=_MAX_BLOCK_WAIT_S),
        )
    except ConfigurationError as error:
        error.add_note(
            "this is about the environment where Spark's tasks run; options may name another variable (token_env), a "
            "file (token_file) and the account (account_id), but take no secret"
        )
        raise
    async with client:
        budget.release(await budget.acquire())
        yield client


def _find_token(options: Options) -> str | None:
    """Return the token from where the options say; None where they do not."""
    if options.token_env:
        token: str | None = mask(environment(options.token_env))
        if token is None:
            raise ConfigurationError("the environment variable that token_env names is not set where this task runs")
        return token
    if options.token_file is None:
        return None
    try:
        token = mask(Path(options.token_file).read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        reason = "it is not text"
    except ValueError:
        reason = "no file can have this name"
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else "unknown reason"
    else:
        if token and token.strip():
            return token
        raise ConfigurationError("the file that token_file names is empty where this task runs")
    raise ConfigurationError(f"the file that token_file names cannot be read where this task runs: {reason}")
