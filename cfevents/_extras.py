"""What only the extras bring."""

from importlib import import_module

from cfevents.errors import ConfigurationError


def require_extra(extra: str, *libraries: str) -> None:
    """Make sure that the libraries of an extra are there, before anything is sent.

    Raises:
        ConfigurationError: One is not installed; the message names the extra.
    """
    for library in libraries:
        try:
            import_module(library)
        except ModuleNotFoundError as error:
            if error.name != library:  # it is there, and lacks something itself
                raise
            raise ConfigurationError(
                f"{library} is not installed: pip install 'cfevents[{extra}]'", extra=extra
            ) from error
