"""The command that checks what works, and how the API behaves."""

from typing import TYPE_CHECKING

import click
from attrs import evolve

import cfevents
from cfevents.cli.console.errors import arguments_checked
from cfevents.cli.console.output import Colour, Row, View, write_stdout
from cfevents.cli.console.views import severity_colour, writer
from cfevents.cli.sources import open_client
from cfevents.doctor import Check, DoctorReport, examine, misconfigured

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


async def print_diagnosis(*, connector: str | None, as_json: bool, simulate: bool) -> None:
    """Print a row for each check, or all of them as JSON; the status is 1 if a check failed."""
    report = await _examine(connector, simulate)
    if as_json:
        write_stdout(report.to_json() + "\n")
    else:
        writer(_CHECKS, "table")([*_merge_unknown(report.checks)])
        write_stdout(f"{report.requests} request{' was' if report.requests == 1 else 's were'} sent.\n")
    if report.failed:
        raise click.exceptions.Exit(1)


async def _examine(connector: str | None, simulate: bool) -> DoctorReport:
    try:
        async with open_client(simulate) as client:
            with arguments_checked():
                return await examine(client, connector, from_environment=not simulate)
    except cfevents.ConfigurationError as error:
        return misconfigured(error)


def _merge_unknown(checks: "Sequence[Check]") -> "Iterator[Check]":
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
