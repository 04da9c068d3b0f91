"""Who asks: the two schemes of credentials, and how they are kept out of sight."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from attrs import frozen
from yarl import URL

from cfevents._protocol.requests import Endpoints, is_loopback
from cfevents._secrets import NonText, Secret, environment, mask
from cfevents._validation import validate_path_segment
from cfevents.errors import ConfigurationError

DEFAULT_BASE_URL = "https://api.cloudflare.com/client/v4"
# The API's documentation: account_id, maxLength 32.
_LONGEST_ACCOUNT_ID = 32

TokenSource: TypeAlias = Callable[[], str | Awaitable[str]]
"""A function, plain or async, that gives the API token of the moment."""


@frozen(eq=False, repr=False)
class Credentials:
    """One complete scheme: an API token (or its source), or an email with its key."""

    token: Secret | TokenSource | None = None
    email: Secret | None = None
    key: Secret | None = None

    @property
    def is_dynamic(self) -> bool:
        """Whether the token comes from the caller's function, which may take long."""
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


def resolve_credentials(api_token: str | TokenSource | None, api_email: str | None, api_key: str | None) -> Credentials:
    """Choose the scheme: a whole one from the arguments before one from the environment, the token before the key.

    Args:
        api_token: The token or its source, masked by `mask` as the others are: a traceback shows the variables of
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
    found = _scheme(*(mask(environment(name)) for name in names), *names)
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
    if isinstance(value, NonText):
        raise TypeError(f"{name} must be text, not {value.type_name}")
    secret = Secret(str(value).strip())
    if not (secret.isascii() and secret.isprintable()) or " " in secret:
        raise ConfigurationError(
            f"{name} holds white space or another character that no credential has: write it alone, without 'Bearer '"
        )
    return secret or None


async def _ask(source: TokenSource) -> Secret:
    answer = await _answer(source)
    if isinstance(answer, NonText):
        raise ConfigurationError(f"the api_token callable gave no text, but {answer.type_name}")
    token = _checked("what the api_token callable gave", answer)
    if token is None:
        raise ConfigurationError("the api_token callable gave no token")
    return token


async def _answer(source: TokenSource) -> Any:
    try:
        answer = source()
        return mask(await answer if inspect.isawaitable(answer) else answer)
    except Exception as error:
        raise ConfigurationError(f"the api_token callable raised {type(error).__name__}") from error


def resolve_endpoints(base_url: str | None, account_id: str | None) -> Endpoints:
    """Find the API and the account: from the arguments, or from the environment.

    Raises:
        ConfigurationError: The account is missing, or one of them is unusable.
    """
    account_id = _stripped(account_id) or environment("CLOUDFLARE_ACCOUNT_ID")
    if account_id is None:
        raise ConfigurationError("no account: set CLOUDFLARE_ACCOUNT_ID, or pass account_id=")
    where = mask(_stripped(base_url) or environment("CLOUDFLARE_BASE_URL") or DEFAULT_BASE_URL)
    return Endpoints(_checked_base_url(where), _checked_account_id(account_id))


def _stripped(value: str | None) -> str | None:
    return (value.strip() or None) if isinstance(value, str) else value


def _checked_account_id(value: str) -> str:
    try:
        validate_path_segment("account_id", value)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"account_id is unusable: {error}") from None
    if len(value) > _LONGEST_ACCOUNT_ID:
        raise ConfigurationError(f"account_id has {len(value)} characters; the API takes at most 32")
    return value


def _checked_base_url(value: str) -> URL:
    url = _parsed(value)
    if url is None:
        raise ConfigurationError("base_url is not a URL")
    if why := _fault(url):
        # It may hold a password, and a traceback shows variables. The message does not repeat it either.
        del url
        raise ConfigurationError(why)
    return url


def _parsed(value: str) -> URL | None:
    try:
        return URL(value)
    except (TypeError, ValueError):
        return None


def _fault(url: URL) -> str | None:
    """Say why a URL is no base for the API: neither https nor plain http to a loopback address, or with secrets."""
    if url.scheme not in {"http", "https"} or not url.host:
        return f"base_url must be an absolute URL, such as {DEFAULT_BASE_URL}"
    if url.raw_user is not None or url.raw_password is not None or url.raw_query_string or url.raw_fragment:
        return "base_url must be without user, password, query and fragment"
    if url.scheme == "http" and not is_loopback(url.host):
        return f"base_url would send the credentials to {url.host} unencrypted: use https"
    return None
