"""Accounts by name, from a file that has the names of variables and files, and no secret."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from cfevents.testing import Simulator

Invoke = Callable[..., Result]
Write = Callable[[str], None]

TOKEN = "Abc123_tokenTokenTokenTokenTokenToken4567"


@pytest.fixture
def write(account: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """A function that writes the file; ``%`` stands for the id and the URL of a simulated account."""
    for name in account.environment:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("TOKEN_EMEA", account.api_token)
    (tmp_path / "cfevents").mkdir()

    def write(text: str) -> None:
        settings = f'account_id = "{account.account_id}"\nbase_url = "{account.base_url}"'
        (tmp_path / "cfevents" / "config.toml").write_text(text.replace("%", settings), encoding="utf-8")

    return write


def test_account_is_selected_by_its_name(
    account: Simulator, write: Write, invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--account precedes its variable, and that the variables of an account, none of which is then used."""
    secret = tmp_path / "token"
    secret.write_text(f"{account.api_token}\n")
    secret.chmod(0o600)
    write(f'[accounts.emea]\n%\napi_token_env = "TOKEN_EMEA"\n[accounts.apac]\n%\napi_token_file = "{secret}"')
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "of-another-account")
    monkeypatch.setenv("CLOUDFLARE_BASE_URL", "http://127.0.0.1:9/client/v4")
    for args in (("--account", "emea"), ("--account", "apac")):
        result = invoke("connectors", *args)
        assert (result.exit_code, result.stderr) == (0, "")
    monkeypatch.setenv("CFEVENTS_ACCOUNT", "emea")
    assert invoke("connectors").exit_code == 0
    assert "TOKEN_EMEA" in invoke("doctor", "site-1").stdout
    secret.chmod(0o644)
    assert f"chmod 600 {secret}" in invoke("connectors", "--account", "apac").stderr


def test_previous_scheme_has_an_address_and_a_key(
    account: Simulator, write: Write, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY_EMEA", account.api_key)
    write(f'[accounts.emea]\n%\napi_email = "{account.api_email}"\napi_key_env = "KEY_EMEA"')
    result = invoke("connectors", "--account", "emea")
    assert (result.exit_code, result.stderr) == (0, "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f'[accounts.emea]\n%\napi_token = "{TOKEN}"', "api_token: a secret is never written here"),
        (f'[accounts.emea]\n%\napi_token_env = "{TOKEN}"', "api_token_env is not the name of a variable"),
        (f'[accounts.emea]\n%\napi_token_file = "{TOKEN}"', "api_token_file is not a path"),
        (f'api_token = "{TOKEN}"', "a secret is never written here"),
        (f'[accounts.emea]\naccount_id = "{TOKEN}"\napi_token_env = "A"', "account_id is longer than any account's id"),
        (
            f'[accounts.emea]\naccount_id = "a"\napi_token_env = "A"\nbase_url = "https://a:{TOKEN}@a.example"',
            "base_url has a user or password",
        ),
        (f"[accounts.emea]\n%\napi_token_env = {TOKEN}", "(at line 4"),
        ('[accounts.emea]\n%\napi_token_evn = "TOKEN_EMEA"', "did you mean api_token_env?"),
        ('[accounts.emea]\nacount_id = "a"', "unknown key acount_id; did you mean account_id?"),
        ('[accounts.emea]\napi_token_env = "TOKEN_EMEA"', "account_id = "),
        ("[accounts.emea]\n%", "is missing"),
        ('[accounts.emea]\n%\napi_key_env = "KEY"', "belong together"),
        ('[accounts.emea]\n%\napi_token_env = "NOT_SET"', "NOT_SET, which is api_token_env"),
        ('[accounts.emea]\n%\napi_token_file = "/nowhere/token"', "/nowhere/token, which is api_token_file"),
        ("[accounts.emea]\n%\napi_token_env = 7", "is not a text in quotes"),
        ("[accounts.apac]\n%\n[accounts.us]\n%", "there are apac, us"),
        ("", 'config.toml has no accounts; write in it, on three lines: [accounts.emea], account_id = "ID", '),
    ],
)
def test_mistake_in_the_file_is_one_line_without_values(write: Write, invoke: Invoke, text: str, message: str) -> None:
    write(text)
    result = invoke("connectors", "--account", "emea")
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert message in result.stderr
    assert TOKEN not in result.stderr


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("emea", "there is no account 'emea': % does not exist; write in it, on three lines: [accounts.emea], "),
        ("emea, us", "on three lines: [accounts.NAME], account_id = "),
        ("", "--account is empty: name an account, or leave it out"),
    ],
)
def test_account_without_a_file_shows_how_to_begin_one(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, message: str
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    result = invoke("list", "hamburg", "--account", name)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert message.replace("%", str(tmp_path / "cfevents" / "config.toml")) in result.stderr


def test_refused_credentials_are_those_of_the_file(
    write: Write, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The advice on refused credentials names the file's setting, and no variable that is not used."""
    monkeypatch.setenv("TOKEN_EMEA", "of-another-account")
    write('[accounts.emea]\n%\napi_token_env = "TOKEN_EMEA"')
    result = invoke("connectors", "--account", "emea")
    assert result.exit_code == 1
    assert "check api_token_env = TOKEN_EMEA" in result.stderr
    assert "CLOUDFLARE_" not in result.stderr


def test_simulated_account_has_no_name(write: Write, invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    write('[accounts.emea]\n%\napi_token_env = "TOKEN_EMEA"')
    assert invoke("connectors", "--simulate", "--account", "emea").exit_code == 2
    monkeypatch.setenv("CFEVENTS_ACCOUNT", "emea")
    assert invoke("connectors", "--simulate").exit_code == 0


def test_archive_is_read_by_the_id_of_an_account(write: Write, invoke: Invoke, tmp_path: Path) -> None:
    path = str(tmp_path / "events.db")
    scheme = 'api_token_env = "TOKEN_EMEA"'
    write(f'[accounts.emea]\n%\n{scheme}\n[accounts.other]\naccount_id = "{"f" * 32}"\n{scheme}')
    assert invoke("archive", path, "site-1", "--since", "2026-01-01T00:00:00Z", "--account", "emea").exit_code == 0
    assert "site-1" in invoke("connectors", "--archive", path, "--account", "emea").stdout
    result = invoke("connectors", "--archive", path, "--account", "other")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "the archive has nothing of the account other" in result.stderr


def test_names_of_accounts_are_completed(write: Write, invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    write("[accounts.emea]\n%\n[accounts.apac]\n%")
    for name, value in {"COMP_WORDS": "cfevents list --account e", "COMP_CWORD": "3"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("_CFEVENTS_COMPLETE", "bash_complete")
    assert invoke().stdout == "plain,emea\n"
    write("not TOML")
    assert invoke().output.strip() == ""
