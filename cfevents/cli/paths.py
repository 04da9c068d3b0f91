"""Options and arguments that name a file to write."""

import os
from typing import Any

import click

from cfevents._files import missing_directory

_STDOUT_NAMES = ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")


class _File(click.Path):
    """A file that is written, in a directory that is there; where a dash is allowed, stdout is one by any name."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value in _STDOUT_NAMES and self.allow_dash:
            return _STDOUT_NAMES[0]
        if value == _STDOUT_NAMES[0]:
            self.fail("- stands for stdout, and this needs a file: name one.", param, ctx)
        path = super().convert(value, param, ctx)
        if missing := missing_directory(os.fsdecode(path)):
            self.fail(missing, param, ctx)
        return path


FILE = _File(dir_okay=False)
FILE_OR_STDOUT = _File(dir_okay=False, allow_dash=True)
