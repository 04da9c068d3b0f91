"""Checks that the libraries of an extra are installed."""

from importlib import import_module

from cfevents.errors import ConfigurationError


def require_extra(extra: str, *libraries: str) -> None:
    """Check that the libraries of an extra are installed, before anything is sent.

    Raises:
        ConfigurationError: One is not installed; the message names the extra.
    """
    for library in libraries:
        try:
            import_module(library)
        except ModuleNotFoundError as error:
            if error.name != library:  # it is installed, and lacks something itself
                raise
            raise ConfigurationError(
                f"{library} is not installed: pip install 'cfevents[{extra}]'", extra=extra
            ) from error
