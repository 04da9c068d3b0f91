"""Who asks: the two schemes of credentials, and how they are kept out of sight."""

import inspect
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from attrs import frozen

from cfevents.errors import ConfigurationError

TokenSource: TypeAlias = Callable[[], str | Awaitable[str]]
"""A function, plain or async, that gives the API token of the moment."""

MASK = "**********"


class Secret(str):
    """Text that stays out of every ``repr``, and so out of tracebacks with locals, other libraries' frames included.

    It goes into a header as the ``str`` that it is. tests/test_secrets.py keeps it from leaking elsewhere.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"'{MASK}'"


@frozen(eq=False, repr=False)
class Credentials:
    """One complete scheme: an API token (or its source), or an email with its key."""

    token: Secret | TokenSource | None = None
    email: Secret | None = None
    key: Secret | None = None

    @property
    def asked_for(self) -> bool:
        """Whether the token has to be asked for, which may take its time."""
        return callable(self.token)

    async def headers(self) -> dict[str, str]:
        """Make the headers that authenticate one request.

        Raises:
            ConfigurationError: The token's source failed, or gave what cannot be a token.
        """
        if self.email is not None and self.key is not None:
            return {"X-Auth-Email": self.email, "X-Auth-Key": self.key}
        token = await _ask(self.token) if callable(self.token) else self.token
        return {"Authorization": Secret(f"Bearer {token}")}


class NotText:
    """What stands in for an argument that should have been text, and may be a secret all the same."""

    def __init__(self, value: object) -> None:
        self.type_name = type(value).__name__


def hide(value: object) -> Any:
    """Mask an argument that may be a secret: text stays text, a callable and None stay as they are."""
    if value is None or callable(value):
        return value
    return Secret(value) if isinstance(value, str) else NotText(value)


def hide_values(headers: object) -> Any:
    """Mask the values of headers, some of which are secrets; what is no mapping is replaced by what it was."""
    if headers is None:
        return {}
    if not isinstance(headers, Mapping):
        return NotText(headers)
    return {name: hide(value) for name, value in headers.items()}


def environment(name: str) -> str | None:
    """Read an environment variable, stripped; None where it is empty or not set."""
    # Never hold os.environ in a variable: its repr shows everything.
    return os.environ.get(name, "").strip() or None


def find_credentials(api_token: str | TokenSource | None, api_email: str | None, api_key: str | None) -> Credentials:
    """Choose the scheme: a whole one from the arguments before one from the environment, the token before the key.

    Args:
        api_token: The token or its source, masked by `hide` as the others are: a traceback shows the variables of
            every function that it passes.
        api_email: The email.
        api_key: The key that belongs to it.

    Raises:
        ConfigurationError: There is none, or only half a scheme.
        TypeError: An argument is not text (for the token: nor callable).
    """
    given = _scheme(api_token, api_email, api_key, "api_token", "api_email", "api_key")
    if given is not None:
        return given
    token, email, key = names = "CLOUDFLARE_API_TOKEN", "CLOUDFLARE_EMAIL", "CLOUDFLARE_API_KEY"
    found = _scheme(*(hide(environment(name)) for name in names), *names)
    if found is not None:
        return found
    raise ConfigurationError(
        f"no credentials: set {token} (or {email} and {key}), or pass api_token= (or api_email= and api_key=)"
    )


def _scheme(
    api_token: str | TokenSource | None, api_email: str | None, api_key: str | None, *names: str
) -> Credentials | None:
    token = api_token if callable(api_token) else _checked(names[0], api_token)
    email, key = _checked(names[1], api_email), _checked(names[2], api_key)
    if token is not None:
        return Credentials(token=token)
    if (email is None) != (key is None):
        there, missing = names[1:] if key is None else names[:0:-1]
        raise ConfigurationError(f"{there} is only half of the credentials: {missing} is missing")
    return None if email is None else Credentials(email=email, key=key)


def _checked(name: str, value: object) -> Secret | None:
    if value is None:
        return None
    if isinstance(value, NotText):
        raise TypeError(f"{name} must be text, not {value.type_name}")
    secret = Secret(str(value).strip())
    if not (secret.isascii() and secret.isprintable()) or " " in secret:
        raise ConfigurationError(
            f"{name} holds white space or another character that no credential has: write it alone, without 'Bearer '"
        )
    return secret or None


async def _ask(source: TokenSource) -> Secret:
    answer = await _answer(source)
    if isinstance(answer, NotText):
        raise ConfigurationError(f"the api_token callable gave no text, but {answer.type_name}")
    token = _checked("what the api_token callable gave", answer)
    if token is None:
        raise ConfigurationError("the api_token callable gave no token")
    return token


async def _answer(source: TokenSource) -> Any:
    try:
        answer = source()
        return hide(await answer if inspect.isawaitable(answer) else answer)
    except Exception as error:
        raise ConfigurationError(f"the api_token callable raised {type(error).__name__}") from error
