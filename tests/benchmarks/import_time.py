"""How long importing takes beyond the libraries that it needs.

Each figure is the median over new processes, the two in turn, so that a machine that changes its speed changes both.
"""

import argparse
import statistics
import subprocess
import sys
import time

# The libraries that are given; stamina counts as ours.
FLOOR = "import aiohttp, attrs, cattrs"
OURS = f"{FLOOR}; from cfevents import Client, events"


def milliseconds(code: str) -> float:
    """Time one new process."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return (time.perf_counter() - began) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    milliseconds(OURS)
    pairs = [(milliseconds(FLOOR), milliseconds(OURS)) for _ in range(runs)]
    floor, ours = (statistics.median(column) for column in zip(*pairs, strict=True))
    more = statistics.median(one - other for other, one in pairs)
    print(f"Python {sys.version.split()[0]}, medians of {runs} processes each, in turn")
    print(f"import aiohttp, attrs, cattrs      {floor:6.0f} ms")
    print(f"  and from cfevents import Client  {ours:6.0f} ms")
    print(f"cfevents, stamina included, adds   {more:6.0f} ms (at most 45)")


if __name__ == "__main__":
    main()
