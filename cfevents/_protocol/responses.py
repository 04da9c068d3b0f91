"""Responses: the envelope, its result, and the errors that say what was wrong and where."""

import json
import logging
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Generic, NamedTuple, NoReturn, TypeVar, cast

from attrs import define, frozen

from cfevents._model.api import Listing
from cfevents._protocol.converter import structure, structure_at
from cfevents._protocol.fast_path import convert_listing, decode_listing
from cfevents._protocol.rate_limits import NO_LIMITS, RateLimits
from cfevents._protocol.requests import Request, request_context
from cfevents._secrets import MASK, Secret
from cfevents.errors import (
    APIError,
    APIResponseError,
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    CodedMessage,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
)

T = TypeVar("T")
R = TypeVar("R")

_BY_STATUS: Mapping[int, type[APIStatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    429: RateLimitError,
}
# The quota is used up, although the status says success.
_RATE_LIMIT_CODES = {971, 10100, 10300}
_MAX_MESSAGES_SHOWN = 5
# A shorter text is no secret, and could be part of any word.
_MIN_SECRET_LENGTH = 8
_TOO_DEEP = "nested too deep"

_log = logging.getLogger("cfevents")


@define(eq=False, repr=False)
class Response:
    """A response: status, the headers that we use, and the whole body."""

    status: int
    body: bytes
    ray_id: str | None = None
    retry_after: int | None = None  # whole seconds
    limits: RateLimits = NO_LIMITS
    request_secrets: tuple[str, ...] = ()  # the values of the request's secret headers
    date: str | None = None

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The request's secrets, which are masked where a response repeats them."""
        return tuple(Secret(header.removeprefix("Bearer ")) for header in self.request_secrets)


class Result(NamedTuple, Generic[T]):
    """The result of a request that succeeded, and the API's messages beside it."""

    result: T
    messages: tuple[CodedMessage, ...] = ()
    errors: tuple[CodedMessage, ...] = ()
    ray_id: str | None = None


@define(eq=False, repr=False)
class RawResult(Generic[T]):
    """The result of a request that succeeded, not structured yet, which is what takes longest."""

    cursor: str | None
    """The cursor of a listing, available early so that the next page can be requested."""

    ray_id: str | None
    _structure: Callable[[], Result[T]]

    def read(self) -> Result[T]:
        """Return the structured result, or raise an APIResponseError that names the place of what is wrong."""
        return self._structure()


def parse_envelope(request: Request[T], response: Response) -> RawResult[T]:
    """Parse the envelope of a response.

    Raises:
        APIStatusError: The API refused; `RateLimitError` and the other children by status or code.
        APIResponseError: The response is not JSON, or its envelope not of the documented shape.
    """
    # No variable for the CF-Ray: it may repeat a credential, and a traceback shows variables.
    if request.result is Listing and 200 <= response.status < 300 and (listing := decode_listing(response.body)):
        return RawResult(
            listing.cursor, response.ray_id, lambda: Result(cast("T", convert_listing(listing)), ray_id=response.ray_id)
        )
    return _with_masked_retry(_raw_result, request, response, _load_json(response.body))


def parse_result(request: Request[T], response: Response) -> Result[T]:
    """Parse the envelope and structure the result; raises as `parse_envelope` and `RawResult.read` do."""
    return parse_envelope(request, response).read()


def _with_masked_retry(
    step: Callable[[Request[T], Response, Any], R], request: Request[T], response: Response, document: Any
) -> R:
    """Run a step, and where it fails run it again on the masked document.

    A response may repeat the credentials. They would stand in the error, or in the variables of its frames, so the
    first error is dropped.
    """
    with suppress(APIError, RecursionError):
        return step(request, response, document)
    try:
        document = _masked(document, response.secrets)
    except RecursionError:
        document = _NotJSON(_TOO_DEEP)
    with request_context(request):
        try:
            return step(request, response, document)
        except APIError as error:
            error.ray_id = _masked(response.ray_id, response.secrets)
            raise


@frozen(eq=False, repr=False)
class _NotJSON:
    """The place of the document of a body that is not JSON."""

    reason: str


def _load_json(body: bytes) -> Any:
    """Parse standard JSON, without NaN and numbers that become infinite; `_NotJSON` for anything else."""
    try:
        # json.loads would make a decoder for each body.
        return _DECODER.decode(body.decode(json.detect_encoding(body), "surrogatepass"))
    except RecursionError:
        return _NotJSON(_TOO_DEEP)
    except ValueError as error:
        return _NotJSON(str(error))


def _raw_result(request: Request[T], response: Response, envelope: Any) -> RawResult[T]:
    # The status first: a proxy in front of the API responds with HTML, or with nothing.
    if not 200 <= response.status < 300:
        _raise_status_error(response, envelope if isinstance(envelope, dict) else {})
    if isinstance(envelope, _NotJSON):
        raise APIResponseError(f"the response is not JSON: {envelope.reason}", place="body")
    if not isinstance(envelope, dict):
        raise APIResponseError("envelope: an object was expected", place="envelope")
    success = envelope.get("success")
    if success is False:
        _raise_status_error(response, envelope)
    if success is not True:
        raise APIResponseError("success: true or false was expected", place="success")
    if envelope.get("result") is None:
        raise APIResponseError("result: is missing or null although success is true", place="result")
    cursor = envelope["result"].get("cursor") if isinstance(envelope["result"], dict) else None
    structure = partial(_with_masked_retry, _structured, request, response, envelope)
    return RawResult(cursor if isinstance(cursor, str) else None, response.ray_id, structure)


def _structured(request: Request[T], response: Response, envelope: Any) -> Result[T]:
    if isinstance(envelope, _NotJSON):
        raise APIResponseError(f"the response is not JSON: {envelope.reason}", place="body")
    result = structure_at("result", envelope["result"], request.result)
    messages, errors = (
        _messages(_masked(raw, response.secrets)) if (raw := envelope.get(name)) else ()
        for name in ("messages", "errors")
    )
    if errors:
        _log.warning("%s succeeded, and the API reported: %s", request.path, _joined(errors))
    return Result(result, messages, errors, response.ray_id)


def _messages(raw: Any) -> tuple[CodedMessage, ...]:
    """Return ``errors`` or ``messages``, of whatever shape they are, since they only explain."""
    if raw is None:
        return ()
    return tuple(map(_coded_message, raw if isinstance(raw, list) else [raw]))


def _coded_message(raw: Any) -> CodedMessage:
    if isinstance(raw, dict):
        return structure(raw, CodedMessage)
    try:
        return CodedMessage(message=raw if isinstance(raw, str) else json.dumps(raw))
    except RecursionError:  # writing takes more of the stack than reading
        return CodedMessage(message="nested too deep to show")


def _masked(document: Any, secrets: tuple[Secret, ...]) -> Any:
    """Return a JSON value with each credential in its texts replaced."""
    if isinstance(document, str):
        for secret in secrets:
            if len(secret) >= _MIN_SECRET_LENGTH:
                document = document.replace(secret, MASK)
        return document
    if isinstance(document, _NotJSON):
        return _NotJSON(_masked(document.reason, secrets))
    if isinstance(document, list):
        return [_masked(item, secrets) for item in document]
    if isinstance(document, dict):
        return {_masked(name, secrets): _masked(value, secrets) for name, value in document.items()}
    return document


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON")


def _parse_finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"the number {text[:20]} is too large")
    return number


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_parse_finite)


def _raise_status_error(response: Response, envelope: dict[str, Any]) -> NoReturn:
    status, errors = response.status, _messages(envelope.get("errors"))
    cls = InternalServerError if status >= 500 else _BY_STATUS.get(status, APIStatusError)
    if status < 300 and any(error.code in _RATE_LIMIT_CODES for error in errors):
        cls = RateLimitError
    reason = _joined(errors)
    if not reason and 300 <= status < 400 and status != 304:
        reason = "a redirect, which is not followed, since it could take the credentials elsewhere; check base_url"
    message = f"refused with status {status}: {reason or 'the response gives no reason'}"
    raise cls(message, status=status, errors=errors, retry_after=response.retry_after)


def _joined(errors: tuple[CodedMessage, ...]) -> str:
    shown = "; ".join(str(error)[:200] for error in errors[:_MAX_MESSAGES_SHOWN])
    more = len(errors) - _MAX_MESSAGES_SHOWN
    return f"{shown}; and {more} more" if more > 0 else shown
