"""The command: ``python -m benchmarks``."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks.extent import FULL, QUICK, Extent
from benchmarks.report import heading, write
from benchmarks.tables import TABLES


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the tables that were asked for, print them, and write them to a page where one is named."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    if asked.write and (asked.quick or asked.only):
        parser.error("--write is for a whole run, without --quick and --only")
    extent = _scale(asked)
    parts = [f"{heading()} Medians; timed runs of each contestant: {extent.runs}."]
    print(parts[0], flush=True)
    for name in asked.only or TABLES:
        parts.append(TABLES[name](extent))
        print(f"\n{parts[-1]}", flush=True)
    if asked.write:
        write(asked.write, "\n\n".join(parts))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure, and print Markdown tables.")
    parser.add_argument("--quick", action="store_true", help="a small trial, whose figures mean little")
    parser.add_argument("--only", nargs="+", choices=TABLES, metavar="TABLE", help=f"some of {', '.join(TABLES)}")
    parser.add_argument("--runs", type=int, help="timed runs of each contestant")
    parser.add_argument("--events", type=int, help="events to iterate over for their rate")
    parser.add_argument("--sdk-events", type=int, help="the same for the vendor's SDK, which takes its time")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="the page whose tables are to be replaced")
    return parser


def _scale(asked: argparse.Namespace) -> Extent:
    given = {name: value for name in ("runs", "events", "sdk_events") if (value := getattr(asked, name)) is not None}
    return (QUICK if asked.quick else FULL)._replace(**given)


if __name__ == "__main__":
    main()
