"""The client of one slot: its token, and its pace. Of what the other slots do it knows nothing."""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from cfevents._client import Client
from cfevents._http.budget import Budget, _Block
from cfevents._http.retry import Retry
from cfevents._secrets import environment, mask
from cfevents.errors import ConfigurationError
from cfevents.spark.options import Options

# How long a request may be held up by blocks, in seconds: others may prolong one, and a task that fails has to read all
# that it has read again.
_PATIENCE = 3600


@asynccontextmanager
async def paced(options: Options) -> AsyncGenerator[Client, None]:
    """Open a client for one slot: what it sends keeps its distance, also from what was sent before it.

    Whoever had the slot before may have had an answer just now. So the first request waits too.

    Raises:
        ConfigurationError: There are no credentials or no account, where the tasks run.
    """
    budget = _Pace(options)
    async with _client(options, budget) as client:
        budget.release(await budget.acquire())
        yield client


def _client(options: Options, budget: "_Pace") -> Client:
    try:
        return Client(
            api_token=_token(options),
            account_id=options.account_id,
            base_url=options.base_url,
            budget=budget,
            retry=Retry(max_block_wait=_PATIENCE),
        )
    except ConfigurationError as error:
        error.add_note(
            "this is about the environment where Spark's tasks run; options may name another variable (token_env), a "
            "file (token_file) and the account (account_id), but take no secret"
        )
        raise


class _Pace(Budget):
    """One request at a time, each a pace after the last answer."""

    def __init__(self, options: Options) -> None:
        super().__init__(1, options.pace, options.share)
        # Every slot has met a block by then: the last does two paces after the first, if its task begins.
        self._blocked = _Block(least=2 * options.pace + 1)


def _token(options: Options) -> str | None:
    """Find the token where the options say; None where they do not."""
    if options.token_env:
        token: str | None = mask(environment(options.token_env))
        if token is None:
            raise ConfigurationError("the environment variable that token_env names is not set where this task runs")
        return token
    if options.token_file is None:
        return None
    try:
        found: str = mask(Path(options.token_file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"the file that token_file names cannot be read where this task runs: {_why(error)}"
        ) from None
    if not found.strip():
        raise ConfigurationError("the file that token_file names is empty where this task runs")
    return found


def _why(error: OSError | ValueError) -> str:
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return "it is no text" if isinstance(error, UnicodeDecodeError) else "no file has such a name"
