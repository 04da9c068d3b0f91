"""aiohttp: one request, repeated until it succeeds or may not be."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

import aiohttp
import stamina
from yarl import URL

from cfevents.credentials import Credentials, Secret
from cfevents.errors import (
    APIConnectionError,
    APIResponseError,
    APITimeoutError,
    CfEventsError,
    ConfigurationError,
    InternalServerError,
    RateLimitError,
    ResponseTooLargeError,
)
from cfevents.protocol import Answer, Request, Response, read_answer
from cfevents.transport import Settings, Transport

T = TypeVar("T")

_ATTEMPTS = 6
# The longest block that the API documents is five minutes.
_LONGEST_WAIT = 330.0
# A block whose length the API does not tell: asking soon seems to prolong it.
_UNNAMED_BLOCK = 60.0
_NOTABLE_WAIT = 5.0
_CHUNK = 64 * 1024

_log = logging.getLogger("cfevents")


class Session:
    """An open HTTP session on one event loop."""

    def __init__(self, base_url: URL, credentials: Credentials, settings: Settings) -> None:
        """Open it, on the event loop that runs.

        Raises:
            ConfigurationError: The session that the caller brought cannot be used.
        """
        self._loop = asyncio.get_running_loop()
        self._credentials = credentials
        self._settings = settings
        self._transport = Transport(base_url, settings)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop that it was opened on, and works on alone."""
        return self._loop

    async def close(self) -> None:
        """Close its connections, unless they are the caller's."""
        await self._transport.close()

    async def ask(self, request: Request[T], timeout: float | None = None) -> Answer[T]:
        """Send a request, and again while it may be, until it is answered.

        Args:
            request: What to ask.
            timeout: Patience for the whole of it, waits included, in seconds, or what a listing has left of it, which
                may be nothing; None for no bound.

        Raises:
            CfEventsError: It did not succeed. The error tells what was asked.
        """
        deadline = None if timeout is None else self._loop.time() + timeout
        failures: list[Exception] = []
        with told_of(request):
            try:
                async with asyncio.timeout_at(deadline):
                    return await self._repeat(request, self._rule(deadline, failures))
            except TimeoutError as error:
                last = f"; the last attempt: {failures[-1]}" if failures else ""
                raise APITimeoutError(f"no answer before the call's timeout ran out{last}") from error

    async def _repeat(self, request: Request[T], rule: Callable[[Exception], bool | float]) -> Answer[T]:
        async for attempt in stamina.retry_context(
            on=rule, attempts=_ATTEMPTS, timeout=None, wait_initial=0.5, wait_max=_NOTABLE_WAIT
        ):
            with attempt:
                return read_answer(request, await self._send(request))
        raise AssertionError("stamina raises the last error")  # pragma: no cover

    def _rule(self, deadline: float | None, failures: list[Exception]) -> Callable[[Exception], bool | float]:
        """Make the rule: whether a failed attempt is followed by another, and for a block after how many seconds."""

        def rule(error: Exception) -> bool | float:
            if not isinstance(error, CfEventsError):  # stamina shows cancellations too
                return False
            failures.append(error)
            again = len(failures) < _ATTEMPTS and _may_pass(error)
            if again and isinstance(error, RateLimitError):
                patience = _LONGEST_WAIT if deadline is None else min(_LONGEST_WAIT, deadline - self._loop.time())
                wait = _UNNAMED_BLOCK if error.retry_after is None else error.retry_after
                return _wait_out(wait) if wait <= patience else False
            if again:
                _log.info("%s; asking again", error)
            return again

        return rule

    async def _send(self, request: Request[Any]) -> Response:
        """Send it once, and read the answer whole."""
        with _foreign_errors_as_ours():
            # The token's source may take its time too; the transport's own limits are for the request alone.
            async with asyncio.timeout(self._settings.timeout.total):
                credentials = await self._credentials.headers()
                async with self._transport.get(request.url, credentials) as response:
                    return Response(
                        status=response.status,
                        body=await self._read(response),
                        ray_id=response.headers.get("CF-Ray"),
                        retry_after=response.headers.get("Retry-After"),
                        secrets=self._secrets(credentials),
                    )

    def _secrets(self, credentials: Mapping[str, str]) -> tuple[Secret, ...]:
        """What the request carries and an answer may repeat."""
        values = (*credentials.values(), *self._settings.headers.values())
        return tuple(Secret(value.removeprefix("Bearer ")) for value in values)

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK):
            body += chunk
            if len(body) > (limit := self._settings.max_body_size):
                raise ResponseTooLargeError(
                    f"the answer is larger than max_body_size, {limit} bytes: ask for smaller pages",
                    place="body size",
                    ray_id=response.headers.get("CF-Ray"),
                )
        return bytes(body)


def _may_pass(error: Exception) -> bool:
    undecodable = isinstance(error, APIResponseError) and error.place == "body"
    return undecodable or isinstance(error, APIConnectionError | InternalServerError | RateLimitError)


def _wait_out(seconds: float) -> float:
    if seconds > _NOTABLE_WAIT:
        _log.warning("the request quota is used up: waiting %g s, as the API asks", seconds)
    return float(seconds)


@contextmanager
def told_of(request: Request[Any]) -> Iterator[None]:
    """Let every error of ours tell what was asked, so that one can go on from there."""
    try:
        yield
    except CfEventsError as error:
        vars(error).update(request.listing)
        if not isinstance(error, ConfigurationError):  # which arises before anything is sent
            vars(error).update(method=request.method, path=request.path)
        raise


@contextmanager
def _foreign_errors_as_ours() -> Iterator[None]:
    try:
        yield
    except CfEventsError:
        raise
    except TimeoutError as error:
        _raise(APITimeoutError("no whole answer in the time for one attempt, the client's timeout"), error)
    except aiohttp.ClientPayloadError as error:
        _raise(APIConnectionError(f"the answer was cut short: {error}"), error)
    except (aiohttp.ClientError, OSError) as error:
        _raise(APIConnectionError(f"the connection failed: {_described(error)}"), error)
    except (RuntimeError, ValueError) as error:
        _raise(
            ConfigurationError(f"the request could not be sent: {error}; was the client or its session closed?"), error
        )
    except BaseException as error:
        _forget_frames(error)
        raise


def _raise(ours: CfEventsError, theirs: BaseException) -> NoReturn:
    _forget_frames(theirs)
    raise ours from theirs


def _forget_frames(error: BaseException | None) -> None:
    """Drop the frames of a foreign error and of what it came from: their variables hold the request as sent."""
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


def _described(error: BaseException) -> str:
    # Not the repr: that of a ClientResponseError shows the request's headers.
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
