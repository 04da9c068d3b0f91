"""Events per second, and processor time per event."""

from collections.abc import Mapping

from benchmarks.contestants import FAST, FLOOR, OURS, SDK, SDK_AIOHTTP, SOCKET
from benchmarks.extent import Extent
from benchmarks.processes import in_turn, serving
from benchmarks.report import figure, table, times
from benchmarks.targets import target
from benchmarks.task import Figures, Task

_PAGE_SIZES = (100, 1000)
_SLOW = (SDK, SDK_AIOHTTP)
_CONTESTANTS = (SOCKET, FLOOR, FAST, OURS, *_SLOW)
_HEAD = ("contestant", "events", "events/s", "to the SDK", "CPU µs/event", "to the floor", "target")
_NOTE = """*socket* reads the answers and parses nothing: as long as it takes, the server and the kernel take in every
other row too. Processor time is the contestant's alone."""


def measured(extent: Extent) -> str:
    """Iterate over a listing without delay, at two sizes of page."""
    with serving(extent.events) as place, serving(extent.sdk_events) as sdk_place:
        tasks = {
            (size, name): Task(name, page_size=size, **(sdk_place if name in _SLOW else place))
            for size in _PAGE_SIZES
            for name in _CONTESTANTS
        }
        figures = {tasks[key]: medians for key, medians in in_turn(tasks, extent.runs).items()}
    parts = ["### Events per second"]
    for size in _PAGE_SIZES:
        of_size = {task: medians for task, medians in figures.items() if task.page_size == size}
        parts += [f"Pages of {size:,} events, no delay:", _table(size, of_size)]
    return "\n\n".join([*parts, _NOTE])


def _table(size: int, figures: Mapping[Task, Figures]) -> str:
    rate = {task.contestant: task.events / run.seconds for task, run in figures.items()}
    cost = {task.contestant: run.cpu_seconds / task.events * 1e6 for task, run in figures.items()}
    rows = [
        (
            name,
            f"{task.events:,}",
            figure(rate[name]),
            times(rate[name] / rate[SDK]) if SDK in rate else "",
            figure(cost[name]),
            times(cost[name] / cost[FLOOR]),
            target(f"throughput {size}", name),
        )
        for task in figures
        for name in [task.contestant]
    ]
    return table(_HEAD, rows)
