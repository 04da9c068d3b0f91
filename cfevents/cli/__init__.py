"""The command line, which needs the extra ``cli``."""

import sys

_INTERRUPTED = 130


def main() -> int:
    """Run the command that the arguments of the process name.

    Returns:
        2 where click is not installed, 130 where Ctrl-C came before it was loaded. Otherwise it does not return: the
        process ends with the command's exit status.
    """
    try:
        from cfevents.cli.app import app  # noqa: PLC0415 - without the extra there is nothing to import
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "click":
            raise
        sys.stderr.write("cfevents: the command line needs click: pip install 'cfevents[cli]'\n")
        return 2
    except KeyboardInterrupt:
        return _INTERRUPTED
    app(prog_name="cfevents")
    raise AssertionError("click ends the process")  # pragma: no cover
