"""One timed run, in a process of its own: its memory and its processor time are one contestant's."""

import asyncio
import gc
import json
import sys
import time

from benchmarks.contestants import load
from benchmarks.task import Figures, MissingError, Task, peak_mb


async def run(task: Task) -> Figures:
    """Run the task once over the first second of the window, so that late imports are done; then measure."""
    do = getattr(load(task.contestant), task.call)
    await do(task._replace(until=task.since))
    gc.collect()
    gc.freeze()
    began, cpu_began = time.perf_counter(), time.process_time()
    count = await do(task)
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
    if count != task.events:
        raise AssertionError(f"{task.contestant} saw {count} of {task.events} events")
    return Figures(seconds, cpu_seconds, peak_mb())


def main() -> None:
    task = Task(*json.loads(sys.argv[1]))
    try:
        print(json.dumps(asyncio.run(run(task))))
    except MissingError as missing:
        print(json.dumps({"missing": str(missing)}))


if __name__ == "__main__":
    main()
