"""The settings of a client, from its arguments or the environment: credentials, account, base URL."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

from attrs import define, field
from yarl import URL

from cfevents._protocol.requests import Endpoints, is_loopback
from cfevents._secrets import NonText, Secret, environment, mask
from cfevents._validation import validate_path_segment
from cfevents.errors import ConfigurationError

DEFAULT_BASE_URL = "https://api.cloudflare.com/client/v4"
_FILE_VARIABLE = "CLOUDFLARE_API_TOKEN_FILE"

TokenSource: TypeAlias = Callable[[], str | Awaitable[str]]
"""A function, plain or async, that returns the current API token."""


@define(eq=False, repr=False)
class Credentials:
    """One complete scheme: the headers of an API token or of an email with its key, or the source of a token."""

    fixed: dict[str, str] = field(factory=dict)
    source: TokenSource | None = None
    replacements: int = field(default=0, init=False)
    """The number of times that the source returned another token than before."""

    _last: Secret | None = field(default=None, init=False)  # token of the source

    async def headers(self) -> dict[str, str]:
        """Return the headers that authenticate one request."""
        if self.source is None:
            return self.fixed
        try:
            token = await _token_from(self.source)
        except ConfigurationError as error:
            error.is_temporary = self._last is not None
            raise
        self.replacements += self._last not in {None, token}
        self._last = token
        return _bearer(token)


def _bearer(token: Secret) -> dict[str, str]:
    return {"Authorization": Secret(f"Bearer {token}")}


def resolve_credentials(api_token: str | TokenSource | None, api_email: str | None, api_key: str | None) -> Credentials:
    """Return the scheme to use: arguments before the environment as a whole, the token before the key.

    The caller masks the arguments by `mask`: a traceback shows the variables of every function that it passes.
    """
    if passed := _whole_scheme(("api_token", "api_email", "api_key"), api_token, api_email, api_key):
        return passed
    token, email, key = names = "CLOUDFLARE_API_TOKEN", "CLOUDFLARE_EMAIL", "CLOUDFLARE_API_KEY"
    path = None if environment(token) else mask(environment(_FILE_VARIABLE))
    if from_environment := _token_file(path) if path else _whole_scheme(names, *map(mask, map(environment, names))):
        return from_environment
    raise ConfigurationError(
        f"no credentials: set {token} (or {email} and {key}), or pass api_token= (or api_email= and api_key=)"
    )


def _token_file(path: str) -> Credentials:
    """Return the scheme of a token's file, which is read before each request, so that a rotated token is used."""

    def read() -> str:
        return Path(path).read_text(encoding="utf-8", errors="replace")

    name = f"the file that {_FILE_VARIABLE} names"  # its path is not repeated: it may be the token itself
    try:
        is_usable = _validate_secret(name, mask(read()))
    except OSError as error:
        raise ConfigurationError(f"{name} cannot be read: {error.strerror}") from None
    if not is_usable:
        raise ConfigurationError(f"{name} is empty")
    return Credentials(source=read)


def _whole_scheme(
    names: tuple[str, str, str], api_token: str | TokenSource | None, api_email: str | None, api_key: str | None
) -> Credentials | None:
    token_name, email_name, key_name = names
    if callable(api_token):
        return Credentials(source=api_token)
    token = _validate_secret(token_name, api_token)
    email, key = _validate_secret(email_name, api_email), _validate_secret(key_name, api_key)
    if token is not None:
        return Credentials(_bearer(token))
    if email is None and key is None:
        return None
    if email is None or key is None:
        present, missing = (email_name, key_name) if key is None else (key_name, email_name)
        raise ConfigurationError(f"{present} is only half of the credentials: {missing} is missing")
    return Credentials({"X-Auth-Email": email, "X-Auth-Key": key})


def _validate_secret(name: str, value: object) -> Secret | None:
    if value is None:
        return None
    if isinstance(value, NonText):
        raise TypeError(f"{name} must be text, not {value.type_name}")
    secret = Secret(str(value).strip())
    if not (secret.isascii() and secret.isprintable()) or " " in secret:
        raise ConfigurationError(
            f"{name} holds white space or another character that no credential has; leave out 'Bearer '"
        )
    if secret.startswith(("'", '"')):
        # A file of variables for a container is no shell script: the quotes become part of the value.
        raise ConfigurationError(f"{name} begins with a quote, which no credential does: leave it out")
    return secret or None


async def _token_from(source: TokenSource) -> Secret:
    text = await _call_masked(source)
    if isinstance(text, NonText):
        raise ConfigurationError(f"the api_token callable returned {text.type_name}, not text")
    token = _validate_secret("the token from the api_token callable", text)
    if token is None:
        raise ConfigurationError("the api_token callable returned no token")
    return token


async def _call_masked(source: TokenSource) -> Any:
    # Apart, so that no frame of a later error holds the token unmasked.
    try:
        token = source()
        return mask(await token if inspect.isawaitable(token) else token)
    except (Exception, asyncio.CancelledError) as error:
        task = asyncio.current_task()
        # A source may wait for something that was cancelled, which cancels nobody here.
        if isinstance(error, asyncio.CancelledError) and (task is None or task.cancelling()):
            raise
        raise ConfigurationError(f"the api_token callable raised {type(error).__name__}") from error


def resolve_endpoints(base_url: str | None, account_id: str | None) -> Endpoints:
    """Return the endpoints of the account: from the arguments, or from the environment."""
    account_id = _strip(account_id) or environment("CLOUDFLARE_ACCOUNT_ID")
    if account_id is None:
        raise ConfigurationError("no account: set CLOUDFLARE_ACCOUNT_ID, or pass account_id=")
    name = "base_url" if _strip(base_url) else "CLOUDFLARE_BASE_URL"
    url = _validate_base_url(name, mask(_strip(base_url) or environment("CLOUDFLARE_BASE_URL") or DEFAULT_BASE_URL))
    try:
        account_id = validate_path_segment("account_id", account_id)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"account_id is unusable: {error}") from None
    if len(account_id) > 32:  # the API's documentation: maxLength
        raise ConfigurationError(f"account_id has {len(account_id)} characters; the API takes at most 32")
    return Endpoints(url, account_id)


def _strip(value: str | None) -> str | None:
    return (value.strip() or None) if isinstance(value, str) else value


def _validate_base_url(name: str, value: str) -> URL:
    try:
        url = URL(value)
    except (TypeError, ValueError):
        url = None
    if url is None:
        raise ConfigurationError(f"{name} is not a URL")
    if fault := _base_url_fault(url):
        # It may hold a password, and a traceback shows variables. The message does not repeat it either.
        del url
        raise ConfigurationError(f"{name} {fault}")
    return url


def _base_url_fault(url: URL) -> str | None:
    """Return why a URL is no base for the API: neither https nor http to a loopback address, or with secrets."""
    if url.scheme not in {"http", "https"} or not url.host:
        return f"must be an absolute URL, such as {DEFAULT_BASE_URL}"
    if url.raw_user is not None or url.raw_password is not None or url.raw_query_string or url.raw_fragment:
        return "must be without user, password, query and fragment"
    if url.scheme == "http" and not is_loopback(url.host):
        return f"would send the credentials to {url.host} unencrypted: use https"
    return None
