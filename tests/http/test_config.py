"""Who asks: arguments, environment, and what half a scheme gets."""

import asyncio
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from support.scripted import ACCOUNT, Reply, ScriptedAPI, failure, success
from yarl import URL

import cfevents
from cfevents import APIStatusError, Client, Retry

ENVIRONMENT = {
    "token": {"CLOUDFLARE_API_TOKEN": "env-token-77aa"},
    "key": {"CLOUDFLARE_EMAIL": "env@mail.example", "CLOUDFLARE_API_KEY": "env-key-77aa"},
}
ARGUMENTS = {
    "token": {"api_token": "arg-token-33bb"},
    "key": {"api_email": "arg@mail.example", "api_key": "arg-key-33bb"},
}
BEARER_ENV, BEARER_ARG = {"Authorization": "Bearer env-token-77aa"}, {"Authorization": "Bearer arg-token-33bb"}
KEY_ENV = {"X-Auth-Email": "env@mail.example", "X-Auth-Key": "env-key-77aa"}
KEY_ARG = {"X-Auth-Email": "arg@mail.example", "X-Auth-Key": "arg-key-33bb"}


async def sent(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], **arguments: Any) -> dict[str, str]:
    """The headers of authentication that arrive."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    async with ScriptedAPI(success([])) as api:
        async with Client(base_url=api.base_url, account_id=ACCOUNT, **arguments) as client:
            await client.list_connectors()
        headers = api.requests[0].headers
    return {name: headers[name] for name in ("Authorization", "X-Auth-Email", "X-Auth-Key") if name in headers}


@pytest.mark.parametrize(
    ("environment", "arguments", "headers"),
    [
        (ENVIRONMENT["token"], {}, BEARER_ENV),
        (ENVIRONMENT["key"], {}, KEY_ENV),
        (ENVIRONMENT["token"] | ENVIRONMENT["key"], {}, BEARER_ENV),
        (ENVIRONMENT["token"], ARGUMENTS["key"], KEY_ARG),
        (ENVIRONMENT["key"], ARGUMENTS["token"], BEARER_ARG),
        (ENVIRONMENT["token"] | ENVIRONMENT["key"], ARGUMENTS["token"] | ARGUMENTS["key"], BEARER_ARG),
        (ENVIRONMENT["token"], {"api_token": "  "}, BEARER_ENV),
        ({"CLOUDFLARE_API_TOKEN": " env-token-77aa\n"}, {}, BEARER_ENV),
        ({"CLOUDFLARE_API_TOKEN": ""} | ENVIRONMENT["key"], {}, KEY_ENV),
        ({}, {"api_token": " arg-token-33bb\n"}, BEARER_ARG),
        ({"CLOUDFLARE_EMAIL": "env@mail.example"} | ENVIRONMENT["token"], {}, BEARER_ENV),
    ],
)
async def test_arguments_win_and_the_token_wins_among_equals(
    environment: dict[str, str], arguments: dict[str, str], headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Arguments win over the environment as a whole scheme, and the token wins among equals."""
    assert await sent(monkeypatch, environment, **arguments) == headers


@pytest.mark.parametrize(
    ("environment", "arguments", "says"),
    [
        ({}, {}, "no credentials: set CLOUDFLARE_API_TOKEN"),
        (
            {"CLOUDFLARE_EMAIL": "env@mail.example"},
            {},
            "CLOUDFLARE_EMAIL is only half .* CLOUDFLARE_API_KEY is missing",
        ),
        ({"CLOUDFLARE_API_KEY": "env-key-77aa"}, {}, "CLOUDFLARE_API_KEY is only half .* CLOUDFLARE_EMAIL is missing"),
        (ENVIRONMENT["token"], {"api_key": "arg-key-33bb"}, "api_key is only half .* api_email is missing"),
        (ENVIRONMENT["key"], {"api_email": "arg@mail.example"}, "api_email is only half .* api_key is missing"),
        ({}, {"api_token": "arg-token-33bb\r\nX: y"}, "api_token holds white space or another character"),
        ({}, {"api_token": '"arg-token-33bb"'}, "api_token begins with a quote, which no credential does"),
        ({"CLOUDFLARE_API_TOKEN": "'env-token-77aa'"}, {}, "CLOUDFLARE_API_TOKEN begins with a quote"),
        ({}, {"api_token": "arg-token-33bb é"}, "api_token holds white space or another character"),
        (
            {"CLOUDFLARE_API_TOKEN": "env-token-77aa\0"[:-1] + "\x7f"},
            {},
            "CLOUDFLARE_API_TOKEN holds white space or another character",
        ),
    ],
)
def test_unusable_credentials_are_named_and_not_shown(
    environment: dict[str, str], arguments: dict[str, str], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Missing, half or impossible credentials are named without being shown."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(cfevents.ConfigurationError, match=says):
        Client(account_id=ACCOUNT, **arguments)  # type: ignore[arg-type]


async def test_token_in_a_file_is_read_before_each_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes before email and key, and after the token itself."""
    file = tmp_path / "token"
    file.write_text("env-token-77aa\n")
    named = {"CLOUDFLARE_API_TOKEN_FILE": str(file)}
    assert await sent(monkeypatch, named | ENVIRONMENT["key"]) == BEARER_ENV
    async with ScriptedAPI(success([])) as api, Client(base_url=api.base_url, account_id=ACCOUNT) as client:
        file.write_text("new-rotated-token-44cc\n")
        await client.list_connectors()
        assert api.requests[0].headers["Authorization"] == "Bearer new-rotated-token-44cc"
    file.unlink()
    assert await sent(monkeypatch, named | ENVIRONMENT["token"]) == BEARER_ENV


@pytest.mark.parametrize(
    ("text", "says"),
    [(None, "cannot be read: No such file"), (" \n", "is empty"), ("'env-token-77aa'", "begins with a quote")],
)
def test_file_without_a_usable_token_is_named(
    text: str | None, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "token"
    if text is not None:
        file.write_text(text)
    # The token in place of its path is not repeated either.
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN_FILE", str(file) if text else "env-token-77aa")
    with pytest.raises(cfevents.ConfigurationError, match=f"the file that CLOUDFLARE_API_TOKEN_FILE names {says}"):
        Client(account_id=ACCOUNT)


def test_a_credential_of_another_type_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="api_token must be text, not bytes"):
        Client(api_token=b"arg-token-33bb", account_id=ACCOUNT)  # type: ignore[arg-type]


UNKNOWN_TOKEN = failure(403, 9109, "Invalid access token")


@pytest.mark.parametrize(
    ("tokens", "refusal", "requests"),
    [
        # The token by each call of the source: before a request, and after a refusal.
        (["old", "new", "new"], UNKNOWN_TOKEN, 2),
        (["old", "new", "new"], failure(401, 10000), 2),
        (["old", "old"], UNKNOWN_TOKEN, 1),
        (["old", ""], UNKNOWN_TOKEN, 1),
        (["old", "older", "oldest"], UNKNOWN_TOKEN, 2),
        (["old", "new"], failure(403, 10001, "no permission"), 1),
    ],
)
async def test_token_replaced_under_way_is_no_refusal(tokens: list[str], refusal: Reply, requests: int) -> None:
    """A request whose token was replaced while it was under way is sent again, once, with the new one."""

    async def answer(request: web.Request) -> web.StreamResponse:
        is_new = request.headers["Authorization"] == "Bearer new-rotated-token-44cc"
        return await (success([]) if is_new else refusal)(request)

    calls, works = iter(tokens), "new" in tokens and requests == 2

    def token() -> str:
        name = next(calls)
        return name and f"{name}-rotated-token-44cc"

    async with ScriptedAPI(answer) as api:
        options: dict[str, Any] = {**api.client_options, "api_token": token}
        async with Client(**options, retry=Retry(attempts=1)) as client:
            with nullcontext() if works else pytest.raises(APIStatusError, match=r"no permission|Invalid|10000"):
                assert await client.list_connectors() == []
            assert client.usage.repeated == requests - 1
    assert len(api.requests) == requests


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_token_source_is_called_before_each_request(asynchronous: bool) -> None:
    """A token source is called before each request, so a rotated token needs no restart."""
    tokens = iter(["arg-token-33bb", "rotated-token-44cc"])

    async def token() -> str:
        return next(tokens)

    async with ScriptedAPI(success([])) as api:
        source: Any = token if asynchronous else lambda: next(tokens)
        async with Client(base_url=api.base_url, account_id=ACCOUNT, api_token=source) as client:
            await client.list_connectors()
            await client.list_connectors()
        sent = [request.headers["Authorization"] for request in api.requests]
    assert sent == ["Bearer arg-token-33bb", "Bearer rotated-token-44cc"]


def refuse() -> str:
    raise OSError("the vault is sealed")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (refuse, "the api_token callable raised OSError"),
        (lambda: "", "the api_token callable returned no token"),
        (lambda: None, "the api_token callable returned no token"),
        (lambda: b"rotated-token-44cc", "callable returned bytes"),
        (
            lambda: "rotated-token-44cc\r\n\r\nx",
            "the token from the api_token callable holds white space or another character",
        ),
    ],
)
async def test_failing_token_source_is_a_configuration_error(source: Any, says: str) -> None:
    """A token source that fails is a ConfigurationError, which says where the listing resumes."""
    async with ScriptedAPI(success([])) as api:
        async with Client(base_url=api.base_url, account_id=ACCOUNT, api_token=source) as client:
            with pytest.raises(cfevents.ConfigurationError, match=says) as raised:
                await client.list_events("c1", since=1, until=9, cursor="x").collect()
        assert api.requests == []
    assert (raised.value.cursor, raised.value.since, raised.value.until) == ("x", 1, 9)


@pytest.mark.parametrize(
    ("account_id", "says"),
    [
        (None, "no account: set CLOUDFLARE_ACCOUNT_ID, or pass account_id="),
        (" ", "no account: set CLOUDFLARE_ACCOUNT_ID"),
        ("a" * 33, "account_id has 33 characters; the API takes at most 32"),
        ("a/b", "account_id is unusable: .* is not one segment"),
        ("..", "account_id is unusable"),
        (5, "account_id is unusable"),
    ],
)
def test_a_missing_or_unusable_account_is_named(account_id: Any, says: str) -> None:
    with pytest.raises(cfevents.ConfigurationError, match=says):
        Client(api_token="arg-token-33bb", account_id=account_id)


@pytest.mark.parametrize(
    ("base_url", "says"),
    [
        ("http://api.example.com", "would send the credentials to api.example.com unencrypted"),
        ("http://192.168.1.1/x", "unencrypted"),
        ("http://localhost.example.com", "unencrypted"),
        ("ftp://127.0.0.1", "must be an absolute URL"),
        ("api.cloudflare.com/client/v4", "must be an absolute URL"),
        ("https://", "must be an absolute URL|is not a URL"),
        ("https://me:header-secret-55dd@api.example.com", "without user, password"),
        ("https://api.example.com/?token=header-secret-55dd", "without user, password, query"),
        ("https://api.example.com/#x", "and fragment"),
        ("https://[", "is not a URL"),
        (5, "is not a URL"),
    ],
)
def test_base_url_that_exposes_credentials_is_refused(base_url: Any, says: str) -> None:
    """A base URL that would expose credentials, or is no URL, is refused."""
    with pytest.raises(cfevents.ConfigurationError, match=says):
        Client(api_token="arg-token-33bb", account_id="a", base_url=base_url)


@pytest.mark.parametrize(
    "base_url",
    ["https://api.example.com", "http://localhost:1/v4/", "http://127.0.0.2", "http://[::1]:8080/client/v4"],
)
def test_https_and_loopback_addresses_are_taken(base_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDFLARE_BASE_URL", f" {base_url}\n")
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", " acc ")
    for unset in (None, "", " "):
        client = Client(api_token="arg-token-33bb", account_id=unset, base_url=unset)
        assert repr(client) == f"<Client of account acc at {URL(base_url)}, not open>"
    assert "at https://other.example," in repr(Client(api_token="arg-token-33bb", base_url=" https://other.example "))


@pytest.mark.parametrize(
    ("headers", "error", "says"),
    [
        ({"authorization": "header-secret-55dd"}, ValueError, "authorization is a credential; pass api_token="),
        ({"X-AUTH-KEY": "header-secret-55dd"}, ValueError, "is a credential"),
        ({"X-A": "header-secret-55dd\r\nX-B: c"}, ValueError, "a character that no header can hold"),
        ({"X\n": "value"}, ValueError, "a name that no header can have: write letters, digits and -"),
        ({"": "header-secret-55dd"}, ValueError, "a name that no header can have"),
        ({"Authorization: Bearer": "header-secret-55dd"}, ValueError, "a name that no header can have"),
        ({"X Key": "header-secret-55dd"}, ValueError, "a name that no header can have"),
        ({"X-A": 5}, TypeError, "must be text"),
        (["header-secret-55dd"], TypeError, "extra_headers must be a mapping, not list"),
    ],
)
def test_impossible_and_credential_headers_are_refused(headers: Any, error: type[Exception], says: str) -> None:
    """Headers that cannot be sent, or are credentials, are refused."""
    with pytest.raises(error, match=says):
        Client(api_token="arg-token-33bb", account_id="a", extra_headers=headers)


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"session": "x"}, TypeError, "session must be a ClientSession, not str"),
        ({"timeout": 10**400}, ValueError, "must be finite and above 0"),
        ({"timeout": 0}, ValueError, "timeout=0 must be finite and above 0"),
        ({"timeout": None}, TypeError, "timeout=None is not a number of seconds"),
        ({"max_body_size": 0}, ValueError, "max_body_size=0 must be at least 1"),
        ({"max_body_size": 1e6}, TypeError, "max_body_size=1000000.0 is not a whole number"),
    ],
)
def test_settings_without_meaning_are_refused(options: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        Client(api_token="arg-token-33bb", account_id="a", **options)


def sealed() -> str:
    raise OSError("the file is being replaced")


async def cancelled() -> str:
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    return await future  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "failing",
    [sealed, cancelled, lambda: "", lambda: None, lambda: b"rotated-token-44cc", lambda: "rotated-token-44cc\nhalf"],
)
async def test_token_source_that_worked_is_asked_again(failing: Any) -> None:
    """A token source that fails once, after it had worked, is asked again, as a request is that failed."""
    steps = iter([lambda: "arg-token-33bb", failing, lambda: "rotated-token-44cc"])

    def token() -> Any:
        return next(steps)()

    async with ScriptedAPI(success([])) as api:
        options: dict[str, Any] = {"api_token": token, "retry": Retry(backoff_initial=1e-3)}
        async with Client(base_url=api.base_url, account_id=ACCOUNT, **options) as client:
            await client.list_connectors()
            await client.list_connectors()
        assert api.requests[-1].headers["Authorization"] == "Bearer rotated-token-44cc"
        assert len(api.requests) == 2


async def test_call_that_waits_for_the_token_can_be_cancelled() -> None:
    async def token() -> str:
        await asyncio.sleep(1e6)
        return ""

    async with Client(base_url="http://127.0.0.1:9", account_id=ACCOUNT, api_token=token) as client:
        task = asyncio.create_task(client.list_connectors())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_token_source_that_stays_broken_is_an_error() -> None:
    tokens = ["", "", "", "arg-token-33bb"]
    async with ScriptedAPI(success([])) as api:
        options: dict[str, Any] = {"api_token": tokens.pop, "retry": Retry(3, backoff_initial=1e-3)}
        async with Client(base_url=api.base_url, account_id=ACCOUNT, **options) as client:
            await client.list_connectors()
            with pytest.raises(cfevents.ConfigurationError, match="returned no token") as raised:
                await client.list_connectors()
    assert (tokens, raised.value.is_temporary) == ([], True)
