"""The command that finds out what works, and what the API does."""

import asyncio
from typing import TYPE_CHECKING

import click

import cfevents
from cfevents.cli.console import styles
from cfevents.cli.console.errors import arguments_checked
from cfevents.cli.console.output import Row, View, write_stdout
from cfevents.cli.console.writer import writer
from cfevents.cli.options import connector_argument, example, simulate_option
from cfevents.cli.sources import open_client

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cfevents.doctor import Check, DoctorReport

_FAILED = 1


@click.command(
    "doctor", short_help="Tell what works, and what the API does.", epilog=example("cfevents doctor --simulate")
)
@connector_argument
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object, for a support case: without ids and secrets."
)
@simulate_option
def doctor(connector: str | None, as_json: bool, simulate: bool) -> None:
    """Tell what works and what does not, and what the API does where its documentation leaves it open.

    It sends at most twelve requests, which only read, and repeats none. Without a CONNECTOR it asks about the one that
    was heard of last. Exit status: 0; 1, something does not work; 2, wrong usage.
    """
    report = asyncio.run(_examined(connector, simulate))
    if as_json:
        write_stdout(report.to_json() + "\n")
    else:
        writer(_CHECKS, "table")([*_folded(report.checks)])
        write_stdout(f"{report.requests} request{' was' if report.requests == 1 else 's were'} sent.\n")
    if report.failed:
        raise click.exceptions.Exit(_FAILED)


async def _examined(connector: str | None, simulate: bool) -> "DoctorReport":
    from cfevents.doctor import examine, misconfigured  # noqa: PLC0415 - not needed for --help

    try:
        async with open_client(simulate) as client:
            with arguments_checked():
                return await examine(client, connector, from_environment=not simulate)
    except cfevents.ConfigurationError as error:
        return misconfigured(error)


def _folded(checks: "Sequence[Check]") -> "Iterator[Check]":
    """Say once why something could not be found out, where it is for the same reason."""
    from attrs import evolve  # noqa: PLC0415 - not needed for --help

    unknown = [check for check in checks if check.verdict == "unknown"]
    for check in checks:
        first, *others = [each for each in unknown if each.found == check.found] or [check]
        if others and check is first:
            yield evolve(check, found=f"{check.found}; so too {', '.join(each.name for each in others)}")
        elif check is first or check not in unknown:
            yield check


def _rows(check: "Check") -> list[Row]:
    advice = [] if check.advice is None else [("", "", f"-> {check.advice}")]
    return [(check.name, check.verdict, check.found), *advice]


_CHECKS: "View[Check]" = View(
    lambda check: dict(check.values), ("WHAT", "VERDICT", "FOUND"), _rows, styles=(styles.NAME, styles.of_verdict, "")
)
