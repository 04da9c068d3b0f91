"""The exception tree, and the API's coded messages.

::

    CfEventsError
    ├── ConfigurationError                credentials, account, base URL, a client not open or on another loop
    ├── APIError                          a request that did not succeed
    │   ├── APIConnectionError            no response, or not a whole one
    │   │   └── APITimeoutError           no response in time
    │   ├── APIStatusError                the API refused
    │   │   ├── BadRequestError           400
    │   │   ├── AuthenticationError       401, and 400 for malformed credentials
    │   │   ├── PermissionDeniedError     403
    │   │   ├── NotFoundError             404
    │   │   ├── RateLimitError            429
    │   │   └── InternalServerError       500 and above
    │   └── APIResponseError              not JSON, or not of the documented shape
    │       └── ResponseTooLargeError     more bytes than the client's ``max_body_size``
    ├── PaginationError                   a cursor that was seen before
    ├── CheckpointError                   a checkpoint that is damaged, or of another listing
    ├── ArchiveError                      a file of events that cannot be written or read
    ├── SinkError                         a receiver that cannot be reached, or refuses what is delivered
    └── FleetError                        an ``ExceptionGroup``: some connectors of several failed

Wrong arguments are a ``ValueError`` or ``TypeError`` instead, raised before anything is sent.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from cfevents._secrets import clean, hide
from cfevents._validation import escape_surrogates

if TYPE_CHECKING:
    from cfevents._model.checkpoint import Checkpoint

_MAX_REASONS = 5  # of one message


@frozen
class CodedMessage:
    """A message of the API with its code (the schema ``coded_message``)."""

    code: int | None = None
    """The vendor's number of the message; None where the response had none."""

    message: str | None = None
    """The text."""

    extra: dict[str, Any] = field(factory=dict, hash=False, kw_only=True)
    """Everything else that was sent with it."""

    @property
    def chain(self) -> "tuple[CodedMessage, ...]":
        """The reasons behind it, which the API sends as ``error_chain``: the first five."""
        raw = self.extra.get("error_chain")
        reasons = [reason for reason in raw[:_MAX_REASONS] if isinstance(reason, dict)] if isinstance(raw, list) else []
        return tuple(_reason(**reason) for reason in reasons if reason.keys() & {"code", "message"})

    def __str__(self) -> str:
        reasons = "; ".join(map(_text, self.chain))
        return clean(escape_surrogates(f"{_text(self)} ({reasons})" if reasons else _text(self)))


def _reason(code: object = None, message: object = None, **extra: Any) -> CodedMessage:
    number = code if isinstance(code, int) and not isinstance(code, bool) else None
    return CodedMessage(number, message if isinstance(message, str) else None, extra=extra)


def _text(message: CodedMessage) -> str:
    return ": ".join(str(part) for part in (message.code, message.message) if part is not None)


class CfEventsError(Exception):
    """The base of all errors of this library except wrong arguments.

    An error that is raised while a listing is read carries what is needed to resume it at the page that failed::

        assert error.since is not None  # it is there on every error of a listing
        client.list_events(connector_id, since=error.since, until=error.until, kind=error.kind,
                           checkpoint=error.checkpoint)
    """

    method: str | None = None
    """The HTTP method of the request, where there was one."""

    path: str | None = None
    """The request's path, without its query."""

    cursor: str | None = None
    """The cursor of the page that failed; None for the first page of a listing."""

    since: int | None = None
    """The listing's lower bound, in seconds since the Unix epoch."""

    until: int | None = None
    """The listing's upper bound, in seconds since the Unix epoch."""

    kind: str | tuple[str, ...] | None = None
    """The kind or kinds that the listing was limited to."""

    checkpoint: "Checkpoint | None" = None
    """The position from which the listing can be resumed."""

    def __init__(self, message: str = "", **details: Any) -> None:
        super().__init__(clean(message))
        for name, value in details.items():
            setattr(self, name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, hide(value) if isinstance(value, str) else value)

    def __str__(self) -> str:
        request = clean(f"{self.method} {self.path}: ") if self.path else ""
        return request + super().__str__()


class ConfigurationError(CfEventsError):
    """Credentials, account or base URL are missing or unusable, or the client is not open on this event loop.

    Also where a method needs an extra that is not installed.
    """

    extra: str | None = None
    """The extra that is not installed; None where something else is wrong."""

    is_temporary: bool = False
    """Whether the function that returns the API token failed, and had worked before: it may work again."""


class APIError(CfEventsError):
    """A request that was sent and did not succeed."""

    ray_id: str | None = None
    """The response's ``CF-Ray`` header, which the vendor's support asks for; None where there was none."""

    def __str__(self) -> str:
        return super().__str__() + (clean(f" (CF-Ray {self.ray_id})") if self.ray_id else "")


class APIConnectionError(APIError):
    """There was no response, or only a part of one: refused, reset, dropped, cut short."""


class APITimeoutError(APIConnectionError):
    """There was no whole response within the timeout of one attempt, or of the whole call."""


class APIStatusError(APIError):
    """The API refused the request: by its status, or by ``success: false`` beside the status 200."""

    status: int = 0
    """The HTTP status of the response."""

    errors: tuple[CodedMessage, ...] = ()
    """The API's own reasons."""

    from_edge: bool = False
    """Whether the response has no envelope: the edge in front of the API sent it, or a proxy, and not the API.

    Then ``errors`` holds the edge's reason, if it named one.
    """

    retry_after: int | None = None
    """The number of seconds in the response's ``Retry-After``, or in the document of the edge; None without one."""


class BadRequestError(APIStatusError):
    """400: the query was not understood. With a cursor: it has probably expired."""


class AuthenticationError(APIStatusError):
    """401, or 400 where the credentials are malformed (code 6003): they were not accepted."""


class PermissionDeniedError(APIStatusError):
    """403: the credentials lack the permission *Magic WAN Read* on this account, or are not accepted."""


class NotFoundError(APIStatusError):
    """404: no such account, connector or event."""


class RateLimitError(APIStatusError):
    """429, or one of the codes 971, 10100 and 10300 beside the status 200: the request quota is used up.

    The API then refuses every call of this user for a while, up to five minutes. Raised without a request too, where
    the budget lets none leave for longer than the call waits.
    """

    resume_after: int | None = None
    """Seconds until the next request may be sent: what the API asked for, by any call, and a tenth or more added."""


class InternalServerError(APIStatusError):
    """500 and above: the API, or what stands in front of it, failed."""


class APIResponseError(APIError):
    """A response that is not JSON, or not of the documented shape."""

    place: str = ""
    """The place in the response, such as ``result.items[17].t``; ``body`` where it is not JSON at all."""


class ResponseTooLargeError(APIResponseError):
    """A response that is larger than the client's ``max_body_size``, after decompression."""


class PaginationError(CfEventsError):
    """The API sent a cursor that this listing had seen before: it would never end.

    Everything up to and including the page that brought the cursor has been yielded.
    """


class CheckpointError(CfEventsError):
    """A checkpoint that is damaged, of a newer version, or of another listing than the one it is used for."""

    mismatch: tuple[str, Any, Any] | None = None
    """Of a follower's that is used for another one: the field that differs, its value there, and its value here."""


class ArchiveError(CfEventsError):
    """A file or a database of events cannot be written or read; what was stored before stays stored."""


class SinkError(CfEventsError):
    """A receiver of events cannot be reached, or refuses what is delivered; what is not delivered comes again."""

    is_temporary: bool = False
    """Whether it may pass by itself, so that the same is worth another attempt."""

    retry_after: float | None = None
    """The seconds for which the receiver asks to wait; None where it asks for none."""


class FleetError(CfEventsError, ExceptionGroup[CfEventsError]):
    """Some connectors of a fleet failed, after the others had been served."""

    errors: Mapping[str, CfEventsError]
    """The errors by connector id."""

    def __new__(cls, errors: Mapping[str, CfEventsError]) -> "FleetError":
        """Return the group of the errors."""
        shown = ", ".join(list(errors)[:5]) + (", …" if len(errors) > 5 else "")
        message = clean(f"could not read {len(errors)} of the connectors: {shown}")
        return super().__new__(cls, message, list(errors.values()))

    def __init__(self, errors: Mapping[str, CfEventsError]) -> None:
        self.errors = {hide(connector_id): error for connector_id, error in errors.items()}
        BaseException.__init__(self, self.errors)

    def derive(self, excs: Sequence[CfEventsError]) -> "FleetError":  # type: ignore[override]
        """Return the group of some of the errors, as ``except*`` needs it."""
        return FleetError({name: error for name, error in self.errors.items() if error in excs})


# Users import the classes from cfevents, and a traceback names that.
for _class in [value for value in globals().values() if isinstance(value, type) and value.__module__ == __name__]:
    _class.__module__ = "cfevents"
del _class  # pyright: ignore[reportPossiblyUnboundVariable]
