"""The capacity of one token, and of twenty: thousands of connectors polled in simulated time.

The clients, their budgets, the sockets and the server that counts and refuses are real; only the clock jumps over the
waits. The exit status is 1 if anything was refused.
"""

import argparse
import logging
import math
import platform
import re
import statistics
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from attrs import evolve
from support.rounds import ANSWER, COUNTINGS, PERIOD, QUOTA, SHARE, Case, Round, play

from cfevents import __version__

ALLOWED = math.floor(QUOTA * SHARE)
INTERVALS = {"1 min": 60, "5 min": 300, "15 min": 900, "1 h": 3600}
FLEETS = (100, 200, 500, 1000, 2500, 5000, 10_000)

_BLOCK = re.compile(r"(?<=<!-- scale: begin -->\n).*(?=<!-- scale: end -->)", re.DOTALL)
_HEAD = """\
                             clients done    served half-way         wait of a call  requests
counting  round  refused    first     last     least    most       median   longest    in 1 s
"""


def cases(connectors: int) -> list[tuple[str, Case]]:
    """Return the cases with their titles, for every way to count."""
    few = connectors // 4
    named = {
        "one token: four clients of 8 tasks on one budget": Case(connectors, (8, 8, 8, 8), rounds=2),
        "twenty tokens: a client of 2 tasks and a budget for each": Case(connectors, (2,), tokens=20, rounds=3),
        "one token: a client of 1 task and one of 31 on one budget": Case(few, (1, 31)),
        "one token: four clients of 8 tasks, each with a budget of a quarter": Case(few, (8, 8, 8, 8), apart=True),
    }
    return [(name, evolve(case, counting=counting)) for name, case in named.items() for counting in COUNTINGS]


def expected(case: Case) -> str:
    """Return a line with the time of a round by the quota alone, and by the tasks alone."""
    requests = case.connectors / case.tokens
    by_quota, by_tasks = requests / ALLOWED * PERIOD, requests / sum(case.tasks) * ANSWER
    return f"expected: {by_quota:,.0f} s a round by the quota, on average; {by_tasks:,.0f} s where nothing waits for it"


def row(case: Case, number: int, played: Round) -> str:
    """Return the line of one round."""
    ends, served, waits = played.ends, played.served_half_way, played.waits
    return (
        f"{case.counting:8}  {number:5}  {played.refused:7}  {min(ends):5,.0f} s  {max(ends):5,.0f} s"
        f"   {min(served):7.1%} {max(served):7.1%}     {statistics.median(waits):6.2f} s  {waits[-1]:6.0f} s"
        f"  {played.most_in_a_second:8}\n"
    )


def results(played: list[tuple[str, Case, list[Round]]]) -> Iterator[str]:
    """Yield the lines of all rounds, under the titles of their cases."""
    for name, case, rounds in played:
        if case.counting == COUNTINGS[0]:
            yield f"{case.connectors:,} connectors, {name}\n{expected(case)}\n\n{_HEAD}"
        yield from (row(case, number, played_round) for number, played_round in enumerate(rounds, 1))
        if case.counting == COUNTINGS[-1]:
            yield "\n"


def capacity() -> Iterator[str]:
    """Yield the table of capacities: requests in a period, and the number of tokens that they need."""
    yield f"| connectors | {' | '.join(f'every {name}' for name in INTERVALS)} |\n|---:|{'---:|' * len(INTERVALS)}\n"
    for connectors in FLEETS:
        needs = [connectors * PERIOD / seconds for seconds in INTERVALS.values()]
        yield f"| {connectors:,} | {' | '.join(map(_cell, needs))} |\n"


def _cell(requests: float) -> str:
    tokens = math.ceil(requests / ALLOWED)
    return f"{math.ceil(requests):,}, {'fits' if tokens == 1 else f'{tokens} tokens'}"


def replace_block(page: Path, block: str) -> None:
    """Put a block between the markers of a page."""
    text, replaced = _BLOCK.subn(lambda _: block, page.read_text(encoding="utf-8"))
    if not replaced:
        sys.exit(f"{page} has no markers")
    page.write_text(text, encoding="utf-8")


def play_all(named: list[tuple[str, Case]]) -> list[tuple[str, Case, list[Round]]]:
    """Play every case, several at once where there are processors for it."""
    with ProcessPoolExecutor(initializer=_be_quiet) as pool:
        rounds = pool.map(play, [case for _, case in named])
        return [(name, case, played) for (name, case), played in zip(named, rounds, strict=True)]


def _be_quiet() -> None:
    # Every wait would be logged, and there are hundreds.
    logging.getLogger("cfevents").setLevel(logging.ERROR)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connectors", type=int, default=10_000)
    parser.add_argument("--write", type=Path, metavar="PAGE", help="replace what stands between the markers of a page")
    arguments = parser.parse_args()
    began = time.perf_counter()
    played = play_all(cases(arguments.connectors))
    refused = sum(played_round.refused for _, _, rounds in played for played_round in rounds)
    text = "".join(results(played)) + (
        f"{datetime.now(UTC):%Y-%m-%d}, cfevents {__version__}, Python {platform.python_version()}: "
        f"{refused} refused; {time.perf_counter() - began:.0f} s of real time\n"
    )
    print(text, end="")
    if arguments.write:
        replace_block(arguments.write, f"{''.join(capacity())}\n```text\n{text}```\n")
    sys.exit(refused > 0)


if __name__ == "__main__":
    main()
