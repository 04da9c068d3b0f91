"""The page that ``cfevents report --format html`` writes."""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from cfevents import CfEventsError
from cfevents._files import atomic_write, write_errors
from cfevents._validation import printable
from cfevents.cli.console.output import Zone, is_terminal, write_stdout, write_summary
from cfevents.cli.console.wording import id_list, in_shell_words
from cfevents.cli.options import CommandOptions, usage_error
from cfevents.operations import Report

_STDOUT = "-"


def check_page(options: CommandOptions) -> CommandOptions:
    """Return the options; raise UsageError before anything is read if a page has no place, or no use for an option."""
    is_page, is_printed = options.format_ == "html", options.output in {None, _STDOUT}
    if options.output is not None and not is_page:
        raise usage_error("--output needs --format html: write '> FILE' for the other formats.")
    if is_page and (options.columns or options.no_headers):
        raise usage_error("--format html is a whole page: leave out --columns and --no-headers.")
    if is_page and is_printed and is_terminal(sys.stdout):
        raise usage_error("--format html needs a file: add --output report.html.")
    return options


def write_page(
    report: Report, errors: Mapping[str, CfEventsError], notes: Iterable[str], options: CommandOptions
) -> None:
    """Write the page of a report to the file of ``--output``, which is replaced as a whole, or to stdout."""
    unread: dict[str, list[str]] = {}
    for connector_id, error in errors.items():
        unread.setdefault(str(error), []).append(connector_id)
    notes = [*(f"{id_list(names)} could not be read: {reason}" for reason, names in unread.items()), *notes]
    zone = options.zone or Zone()
    source = "a simulated account" if options.simulate else "the API of the account"
    if options.archive is not None:
        known = min((connector.until for connector in report.connectors), default=report.until)
        source = f"the archive {options.archive}, which knows all until {zone.named_time(known)}"
    read = [*["payloads of findings"] * options.details, *["orders of restarts"] * options.interrupts]
    about = {
        "Connectors": id_list(options.connectors) or "all of the source",
        "Read from": source,
        "Read": ", ".join(["events of all kinds", *read]),
    }
    page = report.to_html(tz=zone.tz, about=about, notes=map(in_shell_words, notes)).encode()
    if options.output is None or options.output == _STDOUT:
        write_stdout(page)
        return
    path = Path(options.output)
    with write_errors(path):
        atomic_write(path, page)
    write_summary(f"{report.summary(zone.tz)}, in {printable(options.output)}")
