"""Responses: the envelope, its result, and the errors that say what was wrong and where."""

import json
import logging
import math
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Generic, NamedTuple, NoReturn, TypeVar, cast

from attrs import define, evolve, frozen

from cfevents._model.api import Connector, Listing
from cfevents._protocol.converter import structure, structured_or_fault
from cfevents._protocol.fast_path import as_rows, convert_listing, decode_listing
from cfevents._protocol.rate_limits import NO_LIMITS, RateLimits, parse_retry_after
from cfevents._protocol.requests import Request
from cfevents._secrets import clean, hide, mask_repeated
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
ErrorT = TypeVar("ErrorT", bound=APIError)

_BY_STATUS: Mapping[int, type[APIStatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    429: RateLimitError,
}
# "Invalid request headers", and the reasons that blame the credentials: the email, the key, the token.
_INVALID_HEADERS_CODE, _MALFORMED_CREDENTIALS_CODES = 6003, {6102, 6103, 6111}
# The key, the token, or any credentials are not known: with the status 403 as a rule.
_UNKNOWN_CREDENTIALS_CODES = {9103, 9109, 10000}
# The quota is used up, although the status says success.
_RATE_LIMIT_CODES = {971, 10100, 10300}
_SHOWN_FIELDS: Mapping[type, str] = {Listing: "cursor", Connector: "id"}
_TOO_DENSE = "body size"  # the place of a fault
_MAX_MESSAGES_READ = 20
_MAX_MESSAGE_CHARS = 50_000
_MAX_MESSAGES_SHOWN = 5

LARGE_BODY_BYTES = 2**20
"""Larger bodies are checked by `is_too_dense`, and parsed on a thread. An ordinary page is far smaller."""

# Of CPython's objects, with the place that each has in its container.
_EMPTY_BYTES = 80
_OBJECT_BYTES = 200
_TEXT_BYTES = 60
_NUMBER_BYTES = 40
# Python shares the numbers up to 256.
_SHARED_NUMBER_CHARS = 3.5
# With the body itself, and the text that it is decoded to, ten times its size.
_MAX_RATIO = 8
_MIN_BODY_BYTES_PER_NAME = 100
_CHUNK_BYTES = 2**16
_NAME = re.compile(rb'"([^"]{0,40})"\s*:')

_log = logging.getLogger("cfevents")


@define(eq=False, repr=False)
class Response:
    """A response: status, the headers that we use, without secrets that they repeat, and the whole body."""

    status: int
    body: bytes
    ray_id: str | None = None
    retry_after: int | None = None  # whole seconds
    limits: RateLimits = NO_LIMITS
    date: str | None = None


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

    read: Callable[[], Result[T]]
    """Returns the structured result, or raises an APIResponseError that names the place of what is wrong."""


def parse_envelope(request: Request[T], response: Response) -> RawResult[T]:
    """Parse the envelope of a response.

    Raises:
        APIStatusError: The API refused; `RateLimitError` and the other children by status or code.
        APIResponseError: The response is not JSON, or its envelope not of the documented shape.
    """
    if len(response.body) > LARGE_BODY_BYTES and is_too_dense(response.body):
        return _raw_result(request, response, _too_dense())
    may_be_listing = request.result is Listing and 200 <= response.status < 300
    if may_be_listing and (listing := decode_listing(response.body)):
        cursor = listing.cursor and mask_repeated(listing.cursor)
        convert = as_rows if request.as_rows else convert_listing
        return RawResult(
            cursor,
            response.ray_id,
            lambda: Result(cast("T", convert(listing, cursor)), ray_id=response.ray_id),
        )
    return _raw_result(request, response, _load_json(response.body))


def _raw_result(request: Request[T], response: Response, document: "_Document") -> RawResult[T]:
    if error := _status_error(response, document) or _envelope_fault(document):
        raise _of_request(error, request, response)
    return RawResult(_cursor(document), response.ray_id, partial(_structured, request, response, document))


def parse_at_once(request: Request[T], response: Response) -> RawResult[T]:
    """Parse the envelope and structure the result, as `parse_result`, for a thread."""
    raw = parse_envelope(request, response)
    result = raw.read()
    return RawResult(raw.cursor, raw.ray_id, lambda: result)


def parse_result(request: Request[T], response: Response) -> Result[T]:
    """Parse the envelope and structure the result; raises as `parse_envelope` and `RawResult.read` do."""
    return parse_envelope(request, response).read()


@frozen(eq=False, repr=False)
class _Document:
    """A parsed body, of which a traceback shows nothing: it may repeat the credentials.

    So what takes it apart returns errors, and they are raised where no variable holds a part.
    """

    value: Any = None
    fault: APIResponseError | None = None  # the body cannot be parsed

    @property
    def envelope(self) -> dict[str, Any]:
        """The document where it is an object, or else an empty one."""
        return self.value if isinstance(self.value, dict) else {}


def _of_request(error: ErrorT, request: Request[Any], response: Response) -> ErrorT:
    error.method, error.path, error.ray_id = request.method, request.path, response.ray_id
    return error


def _load_json(body: bytes) -> _Document:
    """Parse standard JSON, without NaN and numbers that become infinite."""
    try:
        # json.loads would make a decoder for each body.
        return _Document(_DECODER.decode(body.decode(json.detect_encoding(body), "surrogatepass")))
    except RecursionError:
        reason = "nested too deep"
    except ValueError as error:
        reason = str(error)
    return _Document(fault=APIResponseError(f"the response is not JSON: {reason}", place="body"))


def _too_dense() -> _Document:
    message = "the response has too many small values: reading them takes ten times its size; ask for smaller pages"
    return _Document(fault=APIResponseError(message, place=_TOO_DENSE))


def _envelope_fault(document: _Document) -> APIResponseError | None:
    if document.fault is not None:
        return document.fault
    if not isinstance(document.value, dict):
        return APIResponseError("envelope: an object was expected", place="envelope")
    if document.value.get("success") is not True:
        return APIResponseError("success: true or false was expected", place="success")
    if document.value.get("result") is None:
        return APIResponseError("result: is missing or null although success is true", place="result")
    return None


def _cursor(document: _Document) -> str | None:
    result = document.envelope["result"]
    cursor = result.get("cursor") if isinstance(result, dict) else None
    return mask_repeated(cursor) if isinstance(cursor, str) else None


def _structured(request: Request[T], response: Response, document: _Document) -> Result[T]:
    result = structured_or_fault("result", document.envelope["result"], request.result)
    if isinstance(result, APIResponseError):
        raise _of_request(result, request, response)
    messages, errors = (_messages(document.envelope.get(name)) for name in ("messages", "errors"))
    if errors:
        _log.warning("%s succeeded, and the API reported: %s", request.path, _joined(errors, len(errors)))
    return Result(_with_masked_ids(result), messages, errors, response.ray_id)


def _with_masked_ids(result: Any) -> Any:
    """Return a result whose cursor and connector ids, which end up in variables and paths, repeat no secret openly."""
    if isinstance(result, list):
        return [*map(_with_masked_ids, result)]
    name = _SHOWN_FIELDS.get(type(result), "")
    if not (text := getattr(result, name, None)) or (masked := mask_repeated(text)) is text:
        return result
    return evolve(result, **{name: masked})


def _messages(raw: Any) -> tuple[CodedMessage, ...]:
    """Return the first of ``errors`` or ``messages``, of whatever shape they are, since they only explain."""
    if raw is None:
        return ()
    return tuple(map(_coded_message, raw[:_MAX_MESSAGES_READ] if isinstance(raw, list) else [raw]))


def _coded_message(raw: Any) -> CodedMessage:
    try:
        text = json.dumps(raw)
        if len(text) <= _MAX_MESSAGE_CHARS and hide(text) != text:
            raw = _masked(raw)
    except RecursionError:  # writing takes more of the stack than reading
        return CodedMessage(message="nested too deep to show")
    if len(text) > _MAX_MESSAGE_CHARS:
        code = raw.get("code") if isinstance(raw, dict) else None
        return CodedMessage(code if type(code) is int else None, clean(text[:_MAX_MESSAGE_CHARS]))
    if isinstance(raw, dict):
        return structure(raw, CodedMessage)
    return CodedMessage(message=raw if isinstance(raw, str) else hide(text))


def _masked(value: Any) -> Any:
    """Return a JSON value without the secrets that its texts repeat."""
    if isinstance(value, list):
        return [_masked(item) for item in value]
    if isinstance(value, dict):
        return {hide(name): _masked(item) for name, item in value.items()}
    return hide(value) if isinstance(value, str) else value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON")


def _parse_finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"the number {text[:20]} is too large")
    return number


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_parse_finite)


def refuses_credentials(error: APIStatusError) -> bool:
    """Return whether the API refuses the credentials themselves, whatever is requested with them."""
    # The reason is often only behind the error.
    codes = {reason.code for message in error.errors for reason in (message, *message.chain)}
    is_unknown = error.status in {200, 400, 403} and bool(codes & _UNKNOWN_CREDENTIALS_CODES)
    is_refused = isinstance(error, AuthenticationError) or is_unknown or _INVALID_HEADERS_CODE in codes
    return is_refused and not error.from_edge


def _status_error(response: Response, document: _Document) -> APIStatusError | None:
    """Return the error by which the API refuses, by status or ``success``; None where it does not refuse."""
    status, envelope = response.status, document.envelope
    # The status first: a proxy in front of the API responds with HTML, or with nothing.
    if 200 <= status < 300 and envelope.get("success") is not False:
        return None
    is_unread = document.fault is not None and document.fault.place == _TOO_DENSE
    from_edge = not is_unread and not envelope.keys() & {"success", "errors"}
    errors = _edge_messages(envelope, response.body) if from_edge else _messages(envelope.get("errors"))
    reason = _joined(errors, len(raw) if isinstance(raw := envelope.get("errors"), list) else len(errors))
    if not reason and 300 <= status < 400 and status != 304:
        reason = "a redirect, which is not followed, since it could take the credentials elsewhere; check base_url"
    elif is_unread:
        reason = "the reasons were not read, since the response has too many small values"
    elif from_edge and response.body:
        reason = "by the edge or a proxy in front of the API" + (f": {reason}" if reason else "")
    message = f"refused with status {status}: {reason or 'the response gives no reason'}"
    # The edge names the time in its document too, and a gateway may keep the header to itself.
    in_body = parse_retry_after(str(envelope.get("retry_after"))) if from_edge else None
    if (retry_after := in_body if response.retry_after is None else response.retry_after) is not None:
        message += f"; Retry-After: {retry_after} s"
    cls = _error_class(status, errors)
    return cls(message, status=status, errors=errors, from_edge=from_edge, retry_after=retry_after)


def _error_class(status: int, errors: tuple[CodedMessage, ...]) -> type[APIStatusError]:
    if status < 300 and any(error.code in _RATE_LIMIT_CODES for error in errors):
        return RateLimitError
    reasons = {reason.code for error in errors if error.code == _INVALID_HEADERS_CODE for reason in error.chain}
    if status == 400 and reasons & _MALFORMED_CREDENTIALS_CODES:
        return AuthenticationError
    return InternalServerError if status >= 500 else _BY_STATUS.get(status, APIStatusError)


def _edge_messages(document: dict[str, Any], body: bytes) -> tuple[CodedMessage, ...]:
    """Return what the edge says: in an RFC 9457 document, or in the one line ``error code: 1020``."""
    if line := re.fullmatch(rb"error code: ([0-9]{1,5})", body[:100].strip()):
        return (CodedMessage(int(line[1])),)
    extra = dict(document)
    code, *texts = (extra.pop(name, None) for name in ("error_code", "title", "detail"))
    number = code if isinstance(code, int) and not isinstance(code, bool) else None
    text = ": ".join(text.removeprefix(f"Error {number}: ") for text in texts if isinstance(text, str))
    known = {"code": number, "message": text or None}
    return (_coded_message(extra | known),) if any(known.values()) else ()


def _joined(errors: tuple[CodedMessage, ...], count: int) -> str:
    """Return the first of the errors as one text, and how many there are beside them."""
    shown = "; ".join(str(error)[:200] for error in errors[:_MAX_MESSAGES_SHOWN])
    more = count - _MAX_MESSAGES_SHOWN
    return f"{shown}; and {more} more" if more > 0 else shown


def is_too_dense(body: bytes) -> bool:
    """Return whether a body would become more than ten times its size.

    The estimate counts objects, arrays, texts, and the numbers in arrays. Names of fields are shared between objects,
    so only the different ones count. A body of events takes half of the limit.
    """
    empty = body.count(b"{}")
    names = body.count(b'":')
    texts = max(0, body.count(b'"') // 2 - names)
    size = _EMPTY_BYTES * (empty + body.count(b"[")) + _OBJECT_BYTES * (body.count(b"{") - empty) + _TEXT_BYTES * texts
    if len(body) > _SHARED_NUMBER_CHARS * (commas := body.count(b",")):
        size += _NUMBER_BYTES * max(0, commas - body.count(b":") - texts)
    return size > _MAX_RATIO * len(body) or _has_too_many_names(body)


def _has_too_many_names(body: bytes) -> bool:
    seen, most = set[bytes](), len(body) // _MIN_BODY_BYTES_PER_NAME
    for start in range(0, len(body), _CHUNK_BYTES):
        seen.update(_NAME.findall(body, start, start + _CHUNK_BYTES))
        if len(seen) > most:
            return True
    return False
