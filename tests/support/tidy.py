"""What a client may not leave behind."""

import asyncio
import inspect
from pathlib import Path
from typing import Any

import cfevents

_HOME = Path(cfevents.__file__).parent


def client_tasks() -> "set[asyncio.Task[Any]]":
    """The library's own tasks that have not ended, those of its simulator left out."""
    tasks = set()
    for task in asyncio.all_tasks():
        coroutine = task.get_coro()
        if inspect.iscoroutine(coroutine) and coroutine.cr_code:
            home = Path(coroutine.cr_code.co_filename)
            if home.is_relative_to(_HOME) and not home.is_relative_to(_HOME / "testing"):
                tasks.add(task)
    return tasks
