"""The command: ``python -m benchmarks``."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks.extent import FULL, QUICK, Extent
from benchmarks.report import heading, write
from benchmarks.tables import TABLES


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the chosen tables, print them, and write them to a page if one is given."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.write and (options.quick or options.only):
        parser.error("--write is for a whole run, without --quick and --only")
    extent = _scale(options)
    parts = [f"{heading()} Medians; timed runs of each contestant: {extent.runs}."]
    print(parts[0], flush=True)
    for name in options.only or TABLES:
        parts.append(TABLES[name](extent))
        print(f"\n{parts[-1]}", flush=True)
    if options.write:
        write(options.write, "\n\n".join(parts))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure, and print Markdown tables.")
    parser.add_argument("--quick", action="store_true", help="a small trial, whose figures mean little")
    parser.add_argument("--only", nargs="+", choices=TABLES, metavar="TABLE", help=f"some of {', '.join(TABLES)}")
    parser.add_argument("--runs", type=int, help="timed runs of each contestant")
    parser.add_argument("--events", type=int, help="events to iterate over for their rate")
    parser.add_argument("--sdk-events", type=int, help="the same for the vendor's SDK, which takes its time")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="the page whose tables are to be replaced")
    return parser


def _scale(options: argparse.Namespace) -> Extent:
    given = {name: value for name in ("runs", "events", "sdk_events") if (value := getattr(options, name)) is not None}
    return (QUICK if options.quick else FULL)._replace(**given)


if __name__ == "__main__":
    main()
