"""A receiver over HTTP: one POST and its answer. Its address and headers may be secret, and show nowhere."""

import asyncio
import gzip
from typing import Any

import aiohttp
from attrs import frozen
from yarl import URL

from cfevents._http.transport import proxy_arguments
from cfevents._protocol.rate_limits import parse_retry_after
from cfevents._secrets import Secret, clean, hide, hide_in, remembered
from cfevents._version import __version__
from cfevents.errors import SinkError
from cfevents.sinks.reasons import connection_error
from cfevents.sinks.urls import SinkAddress

_MAX_REASON_CHARS = 300
_MAX_SEARCHED_BYTES = 65_536  # for secrets
_MAX_ANSWER_BYTES = 16_777_216  # that are read: it may have a reason for each event
_GZIP_LEVEL = 6
# The request came too early, took too long or was one too many.
_TRANSIENT_STATUSES = {408, 425, 429}


@frozen(repr=False)
class HTTPAnswer:
    """The answer to a request. It may repeat a secret, so its body is in no traceback."""

    status: int
    body: bytes
    retry_after: int | None


class Receiver:
    """A server that takes POSTs, with a session of its own. Redirects are refused, and ``.netrc`` is not read."""

    def __init__(self, address: SinkAddress, url: URL, scheme: str) -> None:
        """Set where requests go to, and the word before the token in ``Authorization``; nothing is opened."""
        self.name = str(url.origin())
        """The URL without its path, which may hold a secret."""

        self._url, self._compress, self._headers = url, address.gzip, dict(address.headers)
        if address.token is not None:
            self._headers["authorization"] = Secret(f"{scheme} {address.token}")
        self._timeout = aiohttp.ClientTimeout(total=address.timeout_s)
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Open the session."""
        self._proxy = proxy_arguments(self._url)
        # A load balancer's cookies are sent back: of several indexers, the one that took events can confirm them.
        cookies, user_agent = aiohttp.CookieJar(unsafe=True), {"user-agent": f"cfevents/{__version__}"}
        self._session = aiohttp.ClientSession(cookie_jar=cookies, headers=user_agent)

    async def close(self) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()

    async def post(self, body: bytes, content_type: str, path: str | None = None) -> HTTPAnswer:
        """Send a request once, to the URL or another path there; raise SinkError where there is no whole answer."""
        if self._session is None:
            raise SinkError(f"{self.name} is not open: write 'async with connect(...) as sink'")
        headers = {**self._headers, "content-type": content_type}
        if self._compress:
            body = await asyncio.to_thread(gzip.compress, body, _GZIP_LEVEL)
            headers["content-encoding"] = "gzip"
        if self._url.scheme == "http":
            # aiohttp sends them with CONNECT alone, which only https needs.
            headers |= self._proxy.get("proxy_headers", {})
        url = self._url if path is None else self._url.with_path(path)
        more: dict[str, Any] = {"allow_redirects": False, "timeout": self._timeout, **self._proxy}
        try:
            with remembered(tuple(self._headers.values())):
                async with self._session.post(url, data=body, headers=headers, **more) as answer:
                    return await _read_answer(answer)
        except (aiohttp.ClientError, OSError) as error:
            raise self._unanswered(error) from None

    def _unanswered(self, error: Exception) -> SinkError:
        if isinstance(error, TimeoutError):
            return SinkError(f"{self.name} did not answer within {self._timeout.total:g} s", is_temporary=True)
        reason = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
        # Not the repr: that of a ClientResponseError shows the request's headers.
        said = getattr(hide_in(error), "message", "")
        said = said if isinstance(said, str) else "the head of its answer is cut"  # that half, as an object
        return connection_error(self.name, reason, said)

    def describe(self, answer: HTTPAnswer) -> str:
        """Return the status of an answer and the beginning of its text, as one line."""
        # A secret that is cut, or whose spaces are joined, could not be found any more.
        said = hide(answer.body[:_MAX_SEARCHED_BYTES].decode(errors="replace"))[:4096]
        text = clean(" ".join(said.split()))
        reason = text if len(text) <= _MAX_REASON_CHARS else f"{text[:_MAX_REASON_CHARS]}…"
        return f"{self.name} answers {answer.status}{reason and ': '}{reason}"

    def busy(self, answer: HTTPAnswer) -> SinkError:
        """Return the error for an answer that says to come again."""
        return SinkError(self.describe(answer), is_temporary=True, retry_after=answer.retry_after)

    def refusal(self, answer: HTTPAnswer) -> SinkError:
        """Return the error for an answer without success."""
        status, text = answer.status, self.describe(answer)
        if status in {401, 403}:
            return SinkError(f"{text}; the credentials are refused: check token= and headers=")
        if status in _TRANSIENT_STATUSES or status >= 500:
            return self.busy(answer)
        if 300 <= status < 400:
            return SinkError(f"{text}; redirects are not followed: give the address that it leads to")
        return SinkError(f"{text}; check the address")


async def _read_answer(answer: aiohttp.ClientResponse) -> HTTPAnswer:
    received = bytearray()
    async for chunk in answer.content.iter_chunked(2**16):
        received += chunk
        if len(received) > _MAX_ANSWER_BYTES:
            break
    wait = parse_retry_after(answer.headers.get("Retry-After"), answer.headers.get("Date"))
    return HTTPAnswer(answer.status, bytes(received), wait)
