"""The arguments of a listing, validated before anything is sent."""

from attrs import frozen

from cfevents._model.api import Listing
from cfevents._model.checkpoint import Checkpoint
from cfevents._model.kinds import kind_names, split_kinds, warn_unknown_kind, without_kinds
from cfevents._protocol.requests import Endpoints, Request
from cfevents._time import TimeLike, TimeWindow
from cfevents._validation import validate_int, validate_path_segment, validate_text, validate_timeout
from cfevents.errors import CheckpointError
from cfevents.events import KindFilter


def wanted_kinds(kinds: KindFilter | None, argument: str = "kinds") -> tuple[str, ...]:
    """Return the names of the kinds that are wanted; none for all. Raises as `kind_names`."""
    names = kind_names(kinds, argument)
    names = tuple(validate_text(argument, name) for name in names)
    for name in names:
        warn_unknown_kind(name)
    return without_kinds(*split_kinds(names)) if names else ()


@frozen(eq=False, repr=False)
class ListQuery:
    """A listing of one connector. `Client.list_events` explains the arguments."""

    start: Checkpoint  # the connector, the window and the kinds, and where in them to begin
    page_size: int | None = None
    prefetch: int = 1
    concurrency: int = 1
    timeout: float | None = None  # seconds
    as_rows: bool = False  # as of a `Request`

    @classmethod
    def of(
        cls,
        connector_id: str,
        *,
        since: TimeLike,
        until: TimeLike | None = None,
        kind: KindFilter | None = None,
        page_size: int | None = None,
        cursor: str | None = None,
        checkpoint: Checkpoint | str | None = None,
        prefetch: int = 1,
        concurrency: int = 1,
        timeout: float | None = None,
        account_id: str | None = None,
    ) -> "ListQuery":
        """Validate the arguments of a listing; raises as `Client.list_events`."""
        window = TimeWindow.of(since, until, anchor=_anchor(cursor, checkpoint, concurrency))
        start = Checkpoint(
            validate_path_segment("connector_id", connector_id),
            *window,
            kind=None if kind is None else validate_kind(kind),
            cursor=None if cursor is None else validate_text("cursor", cursor),
            account_id=account_id,
        )
        return cls(
            start if checkpoint is None else _validate_checkpoint(checkpoint, start),
            None if page_size is None else validate_int("page_size", page_size),
            validate_int("prefetch", prefetch, least=0),
            validate_int("concurrency", concurrency),
            validate_timeout(timeout),
        )

    @property
    def kinds(self) -> tuple[str, ...]:
        """The names of the kinds to list; none for all."""
        kind = self.start.kind
        return (kind,) if isinstance(kind, str) else kind or ()

    @property
    def window(self) -> TimeWindow:
        """The window that is left to list. It begins a second early: whether bounds are inclusive is not documented."""
        start = self.start
        return TimeWindow(start.since if start.reached is None else max(start.since, start.reached - 1), start.until)

    def request(self, api: Endpoints, window: TimeWindow, cursor: str | None) -> Request[Listing]:
        request = api.list_events(
            self.start.connector_id, window, kinds=self.kinds, limit=self.page_size, cursor=cursor
        )
        request.as_rows = self.as_rows
        return request


def _anchor(cursor: str | None, checkpoint: object, concurrency: int) -> str | None:
    """Return the argument that needs absolute bounds, if there is one."""
    if cursor is None:
        return None if checkpoint is None else "checkpoint"
    if checkpoint is not None:
        raise ValueError("cursor= and checkpoint= both say where to go on: give one of them")
    if validate_int("concurrency", concurrency) > 1:
        raise ValueError(
            f"cursor= with concurrency={concurrency}: a cursor follows one listing, page by page; leave concurrency "
            "out, or give the checkpoint= of a page instead"
        )
    return "cursor"


def validate_kind(kind: KindFilter) -> str | tuple[str, ...]:
    """Return the name of a kind, or the names of several. Raises as `kind_names`."""
    names = wanted_kinds(kind, "kind")
    # Sorted: a set has another order in each process, and its checkpoint has to be of the same listing.
    return names[0] if len(names) == 1 else tuple(sorted(names))


def _validate_checkpoint(checkpoint: Checkpoint | str, start: Checkpoint) -> Checkpoint:
    """Return the checkpoint, if it is of the listing that begins at ``start``."""
    if not isinstance(checkpoint, Checkpoint):
        checkpoint = Checkpoint.from_json(checkpoint)
    if checkpoint.account_id not in {None, start.account_id}:
        raise CheckpointError(f"the checkpoint is of account {checkpoint.account_id!r}, not of {start.account_id!r}")
    for name in ("connector_id", "since", "until", "kind"):
        theirs, ours = getattr(checkpoint, name), getattr(start, name)
        if theirs != ours:
            raise CheckpointError(
                f"the checkpoint is of another listing: there {name} is {theirs!r}, here {ours!r}; write "
                f"{name}=checkpoint.{name}"
            )
    if checkpoint.cursor is not None:
        try:
            validate_text("cursor", checkpoint.cursor)
        except ValueError as error:
            raise CheckpointError(f"the checkpoint's {error}") from None
    return checkpoint
