"""What an answer means: a result, or an error that says what was wrong and where."""

import json
import logging
import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Generic, NamedTuple, NoReturn, TypeVar, cast

from attrs import define, frozen

from cfevents._model.api import Listing
from cfevents._protocol.converter import structure, structure_at
from cfevents._protocol.fast_path import decode_listing
from cfevents._protocol.rate_limits import NO_LIMITS, RateLimits
from cfevents._protocol.requests import Request
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
# The codes by which the API says that the quota is used up, beside a status that says success.
_RATE_LIMIT_CODES = {971, 10100, 10300}
_MESSAGES_SHOWN = 5
_SHORTEST_SECRET = 8
_TOO_DEEP = "nested too deep"

_log = logging.getLogger("cfevents")


@define(eq=False, repr=False)
class Response:
    """What came back: status, headers that mean something to us, and the body whole."""

    status: int
    body: bytes
    ray_id: str | None = None
    retry_after: int | None = None
    """Whole seconds until the next request may be sent (``Retry-After``)."""
    limits: RateLimits = NO_LIMITS
    """What the headers tell of the request quota."""
    request_secrets: tuple[str, ...] = ()
    """The headers that the request carried."""
    date: str | None = None
    """What the server's clock showed (``Date``)."""

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """What the request carried, so that an answer that repeats it is not passed on as it is."""
        return tuple(Secret(header.removeprefix("Bearer ")) for header in self.request_secrets)


class Result(NamedTuple, Generic[T]):
    """The result of a request that succeeded, and what the API said beside it."""

    result: T
    messages: tuple[CodedMessage, ...] = ()
    errors: tuple[CodedMessage, ...] = ()
    ray_id: str | None = None


@define(eq=False, repr=False)
class RawResult(Generic[T]):
    """An answer whose envelope is open and says success. Its result is raw: to structure it takes longest."""

    cursor: str | None
    """The cursor in a listing's result, so that the next page can be asked for; None where it has none."""

    ray_id: str | None
    """The answer's ``CF-Ray``."""

    _structure: Callable[[], Result[T]]

    def read(self) -> Result[T]:
        """Structure the result.

        Raises:
            APIResponseError: It is not of the documented shape; ``place`` says where.
        """
        return self._structure()


def parse_envelope(request: Request[T], response: Response) -> RawResult[T]:
    """Open the envelope.

    Raises:
        APIStatusError: The API refused; `RateLimitError` and the other children by status or code.
        APIResponseError: The answer is not JSON, or its envelope not of the documented shape.
    """
    return _quickly_opened(request, response) or _with_masked_retry(
        _opened, request, response, _load_json(response.body)
    )


def parse_result(request: Request[T], response: Response) -> Result[T]:
    """Open the envelope and structure the result; raises as `parse_envelope` and `OpenAnswer.read` do."""
    return parse_envelope(request, response).read()


def _quickly_opened(request: Request[T], response: Response) -> RawResult[T] | None:
    """Open a listing's answer by the extra ``speed``, where it is installed and takes it."""
    listing = decode_listing(response.body) if request.result is Listing and 200 <= response.status < 300 else None
    if listing is None:
        return None
    return RawResult(listing.cursor, response.ray_id, lambda: Result(cast("T", listing.read()), ray_id=response.ray_id))


def _with_masked_retry(
    step: Callable[[Request[T], Response, Any], R], request: Request[T], response: Response, document: Any
) -> R:
    try:
        return step(request, response, document)
    except (APIError, RecursionError) as error:
        failure = error
    # What it repeats of the credentials would stand in the error, or in the variables of its frames: judge it without.
    del failure
    try:
        document = _masked(document, response.secrets)
    except RecursionError:
        document = _NotJSON(_TOO_DEEP)
    try:
        return step(request, response, document)
    except APIError as error:
        error.ray_id = _masked(response.ray_id, response.secrets)
        error.method, error.path = request.method, request.path
        raise


@frozen(eq=False, repr=False)
class _NotJSON:
    """Why a body is not JSON, in its document's place."""

    why: str


def _load_json(body: bytes) -> Any:
    """Read JSON as its standard has it, without NaN and numbers that become infinite; or say why it is none."""
    try:
        # As json.loads does, which makes another decoder for each body.
        return _DECODER.decode(body.decode(json.detect_encoding(body), "surrogatepass"))
    except RecursionError:
        return _NotJSON(_TOO_DEEP)
    except ValueError as error:
        return _NotJSON(str(error))


def _opened(request: Request[T], response: Response, envelope: Any) -> RawResult[T]:
    # The status first: what stands in front of the API answers with HTML, or with nothing.
    if not 200 <= response.status < 300:
        _raise_status_error(response, envelope if isinstance(envelope, dict) else {})
    if isinstance(envelope, _NotJSON):
        raise APIResponseError(f"the answer is not JSON: {envelope.why}", place="body")
    if not isinstance(envelope, dict):
        raise APIResponseError("envelope: an object was expected", place="envelope")
    success = envelope.get("success")
    if success is False:
        _raise_status_error(response, envelope)
    if success is not True:
        raise APIResponseError("success: true or false was expected", place="success")
    if envelope.get("result") is None:
        raise APIResponseError("result: is missing or null although success is true", place="result")
    structure = partial(_with_masked_retry, _structured, request, response, envelope)
    return RawResult(_cursor(envelope["result"]), response.ray_id, structure)


def _cursor(result: Any) -> str | None:
    cursor = result.get("cursor") if isinstance(result, dict) else None
    return cursor if isinstance(cursor, str) else None


def _structured(request: Request[T], response: Response, envelope: Any) -> Result[T]:
    if isinstance(envelope, _NotJSON):
        raise APIResponseError(f"the answer is not JSON: {envelope.why}", place="body")
    result = structure_at("result", envelope["result"], request.result)
    messages, errors = (
        _messages(_masked(told, response.secrets)) if (told := envelope.get(each)) else ()
        for each in ("messages", "errors")
    )
    if errors:
        _log.warning("%s succeeded, and the API reported: %s", request.path, _joined(errors))
    return Result(result, messages, errors, response.ray_id)


def _messages(raw: Any) -> tuple[CodedMessage, ...]:
    """Read ``errors`` or ``messages`` whatever they look like: they explain, they do not decide."""
    if raw is None:
        return ()
    return tuple(
        structure(each, CodedMessage) if isinstance(each, dict) else CodedMessage(message=_as_text(each))
        for each in (raw if isinstance(raw, list) else [raw])
    )


def _as_text(raw: Any) -> str:
    if isinstance(raw, str):
        return raw
    try:
        return json.dumps(raw)
    except RecursionError:  # it takes more of the stack to write than it took to read
        return "nested too deep to show"


def _masked(document: Any, secrets: tuple[Secret, ...]) -> Any:
    """Replace each credential in a JSON value's texts, however the answer had spelled it."""
    if isinstance(document, str):
        for secret in secrets:
            # A short one is no secret, and could stand in any word.
            if len(secret) >= _SHORTEST_SECRET:
                document = document.replace(secret, MASK)
        return document
    if isinstance(document, _NotJSON):
        return _NotJSON(_masked(document.why, secrets))
    if isinstance(document, list):
        return [_masked(each, secrets) for each in document]
    if isinstance(document, dict):
        return {_masked(name, secrets): _masked(each, secrets) for name, each in document.items()}
    return document


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON")


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"the number {text[:20]} is too large")
    return number


_DECODER = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite)


def _raise_status_error(response: Response, envelope: dict[str, Any]) -> NoReturn:
    errors = _messages(envelope.get("errors"))
    cls = _error_class(response.status, errors)
    details: dict[str, Any] = {"status": response.status, "errors": errors}
    if cls is RateLimitError:
        details["retry_after"] = response.retry_after
    why = _joined(errors) or _default_reason(response.status)
    raise cls(f"refused with status {response.status}: {why}", **details)


def _error_class(status: int, errors: Iterable[CodedMessage]) -> type[APIStatusError]:
    if status < 300 and any(each.code in _RATE_LIMIT_CODES for each in errors):
        return RateLimitError
    return InternalServerError if status >= 500 else _BY_STATUS.get(status, APIStatusError)


def _joined(errors: tuple[CodedMessage, ...]) -> str:
    shown = "; ".join(str(each)[:200] for each in errors[:_MESSAGES_SHOWN])
    return shown + (f"; and {len(errors) - _MESSAGES_SHOWN} more" if len(errors) > _MESSAGES_SHOWN else "")


def _default_reason(status: int) -> str:
    if 300 <= status < 400 and status != 304:
        return "a redirect, which is not followed, since it could take the credentials elsewhere; check base_url"
    return "the answer gives no reason"
