"""Where commands read from: the API, a simulated account or an archive; one connector or several."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from typing import NamedTuple, TypeAlias, TypeVar

import aiohttp
import click
from click.core import ParameterSource

from cfevents import (
    APIResponseError,
    ArchiveError,
    Budget,
    CfEventsError,
    Client,
    ConfigurationError,
    Connector,
    EventId,
    EventStream,
    Fleet,
    FleetStream,
    NotFoundError,
    PermissionDeniedError,
    _time,
)
from cfevents._progress import Coverage, Progress
from cfevents._secrets import environment
from cfevents._validation import validate_int, validate_path_segment, validate_text
from cfevents.cli.accounts import Account, config_path, read_account
from cfevents.cli.connector_names import NamedConnector, find_id, is_whole_id, nearest, remember
from cfevents.cli.console.errors import (
    Failure,
    WrongUsage,
    arguments_checked,
    describe_account,
    note_unknown,
    print_note,
)
from cfevents.cli.console.output import Zone, is_terminal
from cfevents.cli.console.progress import show_waits
from cfevents.cli.console.wording import id_list
from cfevents.cli.kinds import read_kinds
from cfevents.cli.metrics import export_metrics, measured
from cfevents.cli.options import CommandOptions, usage_error
from cfevents.cli.times import read_begin, read_pace
from cfevents.storage import Archive, ArchivedStream
from cfevents.testing import LiveHistory, Simulator

ResultT = TypeVar("ResultT")

_Stream: TypeAlias = EventStream | FleetStream | ArchivedStream


def check_options(options: CommandOptions) -> CommandOptions:
    """Check the source that the options name, and return them, with the kinds as the library takes them.

    Raises:
        UsageError: There is no connector, or more than the command can mean; or ``--speed`` has nothing to speed up.
        WrongUsage: The kinds are wrong, or nothing is left of them.
    """
    if options.connectors and options.all_:
        raise usage_error("CONNECTOR and --all exclude each other.")
    if not (options.connectors or options.all_ or options.simulate or options.archive is not None):
        raise usage_error("CONNECTOR is missing: 'cfevents connectors' lists them; --all selects all.")
    if options.speed is not None and not options.simulate:
        raise usage_error("--speed needs --simulate.")
    return options._replace(kinds=read_kinds(options))


def simulated_account(port: int = 0, speed: float | None = None) -> tuple[Simulator, str]:
    """Return the simulator of an account with the past week, not yet started, and the id of its first connector.

    All processes of one UTC day see the same past, so that one can get what another has listed. Time goes on from now,
    `speed` times as fast.
    """
    history = LiveHistory(speed=speed or 1, clock=_time.now)
    return Simulator(history=history, port=port), next(iter(history.events))


@asynccontextmanager
async def open_client(options: CommandOptions) -> AsyncIterator[Client]:
    """Open a client, of a simulated account if the options say so, and show its waits in the status line."""
    async with AsyncExitStack() as stack:
        budget, account = Budget(), selected_account(options)
        if options.simulate:
            simulator = await stack.enter_async_context(simulated_account(speed=options.speed)[0])
            # A session of our own: the client's would use the environment's proxy, which cannot reach this machine.
            session = await stack.enter_async_context(aiohttp.ClientSession())
            client = Client(**simulator.client_options, session=session, budget=budget)
        else:
            client = _account_client(account, budget)
        await stack.enter_async_context(client)
        stack.enter_context(show_waits(lambda: budget.wait, lambda: client.usage.sent))
        stack.enter_context(export_metrics(options))
        yield client


def _account_client(account: Account | None, budget: Budget) -> Client:
    if account is None:
        with arguments_checked():
            return Client(budget=budget)
    arguments = account.client_arguments()
    describe_account(f"[accounts.{account.name}] in {config_path()}", account.credentials)
    try:
        return Client(**arguments, budget=budget)
    except ConfigurationError as error:
        raise WrongUsage(f"the account {account.name} in {config_path()}: {error}") from None


def selected_account(options: CommandOptions) -> Account | None:
    """Return the account that ``--account`` or its variable names; a simulated account takes precedence of that."""
    if options.account is None:
        return None
    if options.simulate:
        if _is_account_given():
            raise usage_error("--simulate and --account exclude each other: leave one out.")
        return None
    return read_account(options.account)


def _is_account_given() -> bool:
    return click.get_current_context().get_parameter_source("account") is ParameterSource.COMMANDLINE


async def identify(reader: Client | Archive, options: CommandOptions) -> CommandOptions:
    """Return the options with the ids of the connectors that they name, in place of their names; each id once.

    Names cost one request, whose answer is `listed` then; whole ids cost none. A name that no connector has is taken
    for an id. Without any, a simulated account has its first.
    """
    listed = list[Connector]()
    if isinstance(reader, Client) and not options.connectors and not options.all_:
        listed = await reader.list_connectors()
        ids = [listed[0].id]
        if is_terminal(sys.stderr):
            print_note(f"no connector is named: reading the first of {len(listed)}, {NamedConnector.of(listed[0])}")
    elif all(map(is_whole_id, options.connectors)):
        ids = list(options.connectors)
    elif isinstance(reader, Archive):
        listed = await reader.named_connectors()
        ids = [find_id(name, list(map(NamedConnector.of, listed))) for name in options.connectors]
    else:
        _check_before_sending(options)
        with suppress(PermissionDeniedError, NotFoundError):  # names are taken for ids then
            listed = await list_and_remember(reader, options)
        known = list(map(NamedConnector.of, listed))
        ids = [name if is_whole_id(name) else find_id(name, known) for name in options.connectors]
        for name in {*ids}.difference(connector.id for connector in known) if known else ():
            note_unknown(name, f"no connector is called {name!r}{_hint(name, known)}")
    measured().listed = tuple(listed)
    return options._replace(connectors=tuple(dict.fromkeys(ids)), listed=tuple(listed))


def _hint(name: str, known: Sequence[NamedConnector]) -> str:
    """Return what may be meant by a name that no connector has."""
    if name.casefold() in {"all", "*"}:
        return "; --all selects all"
    if "," in name:
        return "; write several with a space between them, and a note with spaces in quotes"
    return f"; the nearest is {likest}" if (likest := nearest(name, known)) else ""


async def list_and_remember(client: Client, options: CommandOptions) -> list[Connector]:
    """Return the connectors of the account, whose names the shell completes from now on."""
    listed = await client.list_connectors()
    if not options.simulate:
        remember(options.account, listed)
    return listed


def _check_before_sending(options: CommandOptions) -> None:
    with arguments_checked():
        for name in options.connectors:
            validate_path_segment("connector_ids", name)
        for kind in options.kinds:
            validate_text("kind", kind)
        if options.page_size is not None:
            validate_int("page_size", options.page_size)
        if options.event_id is not None:
            EventId.parse(options.event_id)
    if options.interval:
        read_pace(options)
        read_begin(options._replace(zone=options.zone or Zone()))  # with a zone it prints no note


def chosen_connectors(client: Client, options: CommandOptions) -> list[str] | Fleet:
    """Return all connectors, or those that `identify` has found."""
    return client.fleet() if options.all_ else [*options.connectors]


async def ask_connectors(
    connectors: Iterable[str], ask: Callable[[str], Awaitable[ResultT]]
) -> tuple[dict[str, ResultT], dict[str, CfEventsError]]:
    """Ask for something of connectors, one after the other; stop where all would be refused.

    Returns:
        The results by connector id, and the errors.
    """
    results, remaining = dict[str, ResultT](), [*connectors]
    errors = dict[str, CfEventsError]()
    for place, connector_id in enumerate(remaining):
        try:
            results[connector_id] = await ask(connector_id)
        except (NotFoundError, APIResponseError) as error:
            errors[connector_id] = error
        except CfEventsError as error:  # it concerns the others too, and each would take all its attempts
            return results, errors | dict.fromkeys(remaining[place:], error)
    return results, errors


@asynccontextmanager
async def open_archive(path: str, options: CommandOptions) -> AsyncIterator[Archive]:
    """Open an archive for reading: the account of ``--account``, else the environment's.

    If the environment's is not in it, it is the only one that is.
    """
    selected = selected_account(options)
    account = environment("CLOUDFLARE_ACCOUNT_ID") if selected is None else selected.account_id
    async with AsyncExitStack() as stack:
        archive = await stack.enter_async_context(Archive(path, account_id=account))
        is_there = account is not None and await archive.list_connectors()
        if not is_there and selected is not None and _is_account_given():
            raise Failure(f"the archive has nothing of the account {selected.name}")
        if not is_there:
            archive = await stack.enter_async_context(Archive(path))
            try:
                await archive.list_connectors()
            except ArchiveError as error:
                if "several accounts" not in str(error):
                    raise
                raise WrongUsage(f"{error}; set CLOUDFLARE_ACCOUNT_ID, or use --account, to choose one") from error
        stack.enter_context(show_waits(lambda: 0.0))
        yield archive


def open_reader(options: CommandOptions) -> AbstractAsyncContextManager[Client | Archive]:
    """Open the archive, or else the API."""
    return open_client(options) if options.archive is None else open_archive(options.archive, options)


async def archived_connectors(archive: Archive, options: CommandOptions) -> tuple[list[str], str]:
    """Return the given connectors of an archive, all, or by default its only one.

    Returns:
        Those that the archive has; and a message about the others, which is empty if there are none.

    Raises:
        Failure: The archive has none of them.
        WrongUsage: The archive has several, and none was given.
    """
    named = {connector.id: NamedConnector.of(connector) for connector in await archive.named_connectors()}
    if not named:
        raise Failure("the archive is empty: 'cfevents archive PATH' fills it")
    has = f"has {id_list([*map(str, named.values())])}"
    if not options.connectors and len(named) > 1 and not options.all_:
        hint = "" if options.event_id else "; --all selects all"
        raise WrongUsage(f"CONNECTOR is missing: the archive {has}{hint}")
    known = [connector_id for connector_id in options.connectors or named if connector_id in named]
    unknown = [connector_id for connector_id in options.connectors if connector_id not in named]
    hints = [hint for name in unknown if (hint := _hint(name, [*named.values()]))] or [f"; it {has}"]
    message = f"the archive has nothing of {', '.join(unknown)}{hints[0]}" if unknown else ""
    if not known:
        raise Failure(message)
    return known, message


class Source(NamedTuple):
    """An open client or archive, and the connectors to read: all of an account and several as a fleet."""

    reader: Client | Archive
    connectors: list[str]
    fleet: Fleet | None = None
    listed: Sequence[Connector] = ()

    @property
    def names(self) -> str:
        """The connectors as text, with their serial numbers and notes if these were looked up."""
        members = self.connectors if self.fleet is None else self.fleet._members.named
        names = {connector.id: str(NamedConnector.of(connector)) for connector in self.listed}
        return "all connectors" if members is None else id_list([names.get(name, name) for name in members])

    @property
    def several(self) -> bool:
        """True if there may be more than one connector."""
        return self.fleet is not None or len(self.connectors) > 1


@asynccontextmanager
async def open_source(options: CommandOptions) -> AsyncIterator[Source]:
    """Open the archive, or else the API; raise Failure at the end if the archive lacks a connector."""
    message = ""
    async with open_reader(options) as reader:
        options = await identify(reader, options)
        if isinstance(reader, Archive):
            known, message = await archived_connectors(reader, options)
            yield Source(reader, known, listed=options.listed)
        elif options.all_:
            yield Source(reader, [], reader.fleet())
        elif len(options.connectors) == 1:
            yield Source(reader, [*options.connectors], listed=options.listed)
        else:
            with arguments_checked():
                fleet = reader.fleet(options.connectors)
            yield Source(reader, [], fleet, options.listed)
    if message:
        raise Failure(message)


def listing_progress(coverage: Coverage, stream: _Stream, *, details: bool = False) -> Progress:
    """Return how far a listing is; a fleet's is known before the events of a round are read."""
    listed = stream._listed_fraction() if isinstance(stream, FleetStream) and not details else 0.0
    return coverage.progress._replace(fraction=max(coverage.fraction, listed))
