"""One request sent once, and its answer read whole."""

import asyncio
import logging
from typing import Any, NoReturn

import aiohttp
from attrs import frozen

from cfevents._http.config import Credentials
from cfevents._http.transport import Settings, Transport
from cfevents._protocol.rate_limits import RateLimits, whole_seconds
from cfevents._protocol.requests import Request
from cfevents._protocol.responses import Response
from cfevents.errors import (
    APIConnectionError,
    APITimeoutError,
    CfEventsError,
    ConfigurationError,
    ResponseTooLargeError,
)

_CHUNK = 64 * 1024

_log = logging.getLogger("cfevents.requests")


@frozen(eq=False, repr=False)
class Exchange:
    """Sends requests with credentials over a transport; what goes wrong there becomes an error of the family."""

    transport: Transport
    credentials: Credentials
    settings: Settings

    async def send(self, request: Request[Any]) -> Response:
        """Send it once, and read the answer whole."""
        began = asyncio.get_running_loop().time()
        try:
            if self.credentials.asked_for:
                # The token's source may take its time too; the transport's own limits are for the request alone.
                async with asyncio.timeout(self.settings.timeout.total):
                    response = await self._sent(request)
            else:
                response = await self._sent(request)
        except BaseException as error:
            _tell_of(request, began, type(error).__name__)
            _raise_as_ours(error)
        _tell_of(request, began, "%d, %d bytes, CF-Ray %s", response.status, len(response.body), _ray(response))
        return response

    async def _sent(self, request: Request[Any]) -> Response:
        credentials = await self.credentials.headers()
        async with self.transport.get(request.url, credentials) as response:
            headers = response.headers
            return Response(
                status=response.status,
                body=await self._read(response),
                ray_id=headers.get("CF-Ray"),
                retry_after=whole_seconds(headers.get("Retry-After")),
                limits=RateLimits.of(headers.get("Ratelimit-Policy"), headers.get("Ratelimit")),
                carried=(*credentials.values(), *self.settings.headers.values()),
                date=headers.get("Date"),
            )

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        chunks, size, limit = [], 0, self.settings.max_body_size
        async for chunk in response.content.iter_chunked(_CHUNK):
            chunks.append(chunk)
            size += len(chunk)
            if size > limit:
                raise ResponseTooLargeError(
                    f"the answer is larger than max_body_size, {limit} bytes: ask for smaller pages",
                    place="body size",
                    ray_id=response.headers.get("CF-Ray"),
                )
        return b"".join(chunks)


def _tell_of(request: Request[Any], began: float, how: str, *values: object) -> None:
    """Tell those who look for what goes wrong how it went. What an error says is told where it arrives."""
    if _log.isEnabledFor(logging.DEBUG):
        took = asyncio.get_running_loop().time() - began
        # A cursor is the server's text: it might repeat a credential.
        url = request.url.without_query_params("cursor")
        _log.debug(f"%s %s: {how}, %.3f s", request.method, url.raw_path_qs, *values, took)


def _ray(response: Response) -> str | None:
    ray_id = response.ray_id
    return "(masked)" if ray_id and any(secret in ray_id for secret in response.secrets if secret) else ray_id


def _raise_as_ours(error: BaseException) -> NoReturn:
    """Raise what went wrong there as an error of the family; what is neither is passed on."""
    if isinstance(error, CfEventsError):
        raise error
    _forget_frames(error)
    match error:
        case TimeoutError():
            raise APITimeoutError("no whole answer in the time for one attempt, the client's timeout") from error
        case aiohttp.ClientPayloadError():
            raise APIConnectionError(f"the answer was cut short: {error}") from error
        case aiohttp.ClientError() | OSError():
            raise APIConnectionError(f"the connection failed: {_described(error)}") from error
        case RuntimeError() | ValueError():
            raise ConfigurationError(
                f"the request could not be sent: {error}; was the client or its session closed?"
            ) from error
    raise error


def _forget_frames(error: BaseException | None) -> None:
    """Drop the frames of a foreign error and of what it came from: their variables hold the request as sent."""
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


def _described(error: BaseException) -> str:
    # Not the repr: that of a ClientResponseError shows the request's headers.
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
