"""The command that checks what works, and how the API behaves."""

from collections.abc import Iterator, Sequence

import click
from attrs import evolve

import cfevents
from cfevents import Connector
from cfevents.cli.connector_names import NamedConnector, find_id
from cfevents.cli.console.errors import arguments_checked
from cfevents.cli.console.output import Colour, Row, Style, View, write_stdout
from cfevents.cli.console.progress import is_quiet
from cfevents.cli.console.views import severity_colour, writer
from cfevents.cli.console.wording import in_shell_words
from cfevents.cli.options import CommandOptions
from cfevents.cli.sources import open_client, selected_account
from cfevents.doctor import Check, examine, misconfigured


async def print_diagnosis(options: CommandOptions) -> None:
    """Print a row for each check, or all of them as JSON; the status is 1 if a check failed."""
    try:
        async with open_client(options) as client:
            with arguments_checked():
                report = await examine(client, options.connector, settings=_settings(options), identify=_identify)
    except cfevents.ConfigurationError as error:
        report = misconfigured(error)
    report = evolve(report, checks=tuple(map(_in_shell_words, report.checks)))
    if is_quiet() and not report.failed:
        return
    if options.as_json:
        write_stdout(report.to_json() + "\n")
    else:
        writer(_CHECKS, Style("table"))([*_merge_unknown(report.checks)])
        write_stdout(f"{report.requests} request{' was' if report.requests == 1 else 's were'} sent.\n")
    if report.failed:
        raise click.exceptions.Exit(1)


def _in_shell_words(check: Check) -> Check:
    advice = check.advice and in_shell_words(check.advice)
    return evolve(check, found=in_shell_words(check.found), advice=advice)


def _settings(options: CommandOptions) -> str | None:
    if options.simulate:
        return "the account is simulated"
    if (account := selected_account(options)) is None:
        return None
    return f"the account is {account.name} of config.toml, with {account.credentials}"


def _identify(name: str, connectors: Sequence[Connector]) -> str:
    return find_id(name, list(map(NamedConnector.of, connectors)))


def _merge_unknown(checks: Sequence[Check]) -> Iterator[Check]:
    """Yield the checks, those that are unknown for the same reason as one."""
    unknown: dict[str, list[str]] = {}
    for check in checks:
        if check.verdict == "unknown":
            unknown.setdefault(check.found, []).append(check.name)
    for check in checks:
        if check.verdict != "unknown":
            yield check
        elif names := unknown.pop(check.found, None):
            others = f"; the same for {', '.join(names[1:])}" if names[1:] else ""
            yield evolve(check, found=check.found + others)


def _rows(check: Check) -> list[Row]:
    advice = [] if check.advice is None else [("", "", f"-> {check.advice}")]
    return [(check.name, check.verdict, check.found), *advice]


_CHECKS: View[Check] = View(
    lambda check: dict(check.values),
    ("WHAT", "VERDICT", "FOUND"),
    _rows,
    (Colour.NAME, severity_colour, Colour.NONE),
)
