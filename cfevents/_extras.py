"""Checks that the libraries of an extra are installed."""

from importlib import import_module

from cfevents.errors import ConfigurationError


def require_extra(extra: str, *libraries: str) -> None:
    """Raise a ConfigurationError that names the extra where one of its libraries is not installed."""
    for library in libraries:
        try:
            import_module(library)
        except ModuleNotFoundError as error:
            if error.name != library:  # it is installed, and lacks something itself
                raise
            message = f"{library} is not installed: pip install 'cfevents[{extra}]'"
            raise ConfigurationError(message, extra=extra) from error
