"""Accounts by name, in a file of the user's, which has the names of variables and files, and never a secret."""

import os
import re
import stat
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

import click

from cfevents._secrets import Secret, environment
from cfevents.cli.console.errors import WrongUsage, print_line

_KEYS = ("account_id", "api_token_env", "api_token_file", "api_email", "api_key_env", "api_key_file", "base_url")
_SECRETS = ("api_token_env", "api_token_file", "api_key_env", "api_key_file")
_WHERE_SECRETS_BELONG = (
    'a secret is never written here: put it in a variable or in a file, and write api_token_env = "NAME" or '
    'api_token_file = "PATH"'
)
_SECRET_KEY = re.compile("(api_?)?(token|key|secret|password)", re.IGNORECASE)
_BARE_KEY = re.compile("[A-Za-z0-9_-]+")
_MAX_ACCOUNT_ID_CHARS = 32
_VARIABLE = re.compile("[A-Z_][A-Z0-9_]{0,99}")


def config_path() -> Path:
    """Return the file's place: in ``XDG_CONFIG_HOME`` or ``~/.config``; on Windows in ``%APPDATA%``."""
    if sys.platform == "win32":
        return Path(click.get_app_dir("cfevents")) / "config.toml"
    return Path(environment("XDG_CONFIG_HOME") or "~/.config").expanduser() / "cfevents" / "config.toml"


def account_names() -> list[str]:
    """Return the names of the accounts in the file; none if that cannot be read."""
    with suppress(WrongUsage):
        return [*_read_accounts()]
    return []


class Account(NamedTuple):
    """An account in the file: its id, and where its credentials are."""

    name: str
    settings: Mapping[str, str]

    @property
    def account_id(self) -> str:
        """The account's id at the API."""
        return self.settings["account_id"]

    @property
    def credentials(self) -> str:
        """The setting that says where its credentials are."""
        return next(f"{key} = {self.settings[key]}" for key in _SECRETS if key in self.settings)

    def client_arguments(self) -> dict[str, Any]:
        """Return the arguments of a client, none of which comes from a ``CLOUDFLARE_`` variable.

        A token's file is read before each request.

        Raises:
            WrongUsage: The variable or the file is not there.
        """
        from cfevents._http.config import DEFAULT_BASE_URL  # noqa: PLC0415 - completion does without

        [key] = (key for key in _SECRETS if key in self.settings)
        read = self._variable_reader(key) if key.endswith("_env") else self._file_reader(key)
        secret = read()
        if not secret:
            raise WrongUsage(f"{self.settings[key]}, which is {key} of the account {self.name}, is not set, or empty")
        return {
            "account_id": self.account_id,
            "base_url": self.settings.get("base_url", DEFAULT_BASE_URL),
            "api_email": self.settings.get("api_email"),
            key.rpartition("_")[0]: read if key == "api_token_file" else secret,
        }

    def _variable_reader(self, key: str) -> Callable[[], Secret]:
        return lambda: Secret(environment(self.settings[key]) or "")

    def _file_reader(self, key: str) -> Callable[[], Secret]:
        path = Path(self.settings[key]).expanduser()
        try:
            mode = path.stat().st_mode
            with path.open("rb"):
                pass
        except OSError as error:
            reason = error.strerror or str(error)
            raise WrongUsage(f"{path}, which is {key} of the account {self.name}: {reason}") from error
        if sys.platform != "win32" and stat.S_IMODE(mode) & 0o077:
            print_line(f"other users may read {path}, which has a secret: chmod 600 {path}")
        return lambda: Secret(path.read_text(encoding="utf-8", errors="replace").strip())


def read_account(name: str) -> Account:
    """Return an account of the file.

    Raises:
        WrongUsage: There is no such account, or the file has a mistake. No value of the file is in the message.
    """
    accounts = _read_accounts()
    if not name.strip():
        raise WrongUsage("--account is empty: name an account, or leave it out")
    if name not in accounts:
        raise WrongUsage(_unknown_account(name, accounts))
    settings = accounts[name]
    if fault := _fault(settings):
        raise WrongUsage(f"{config_path()}: [accounts.{name}]: {fault}")
    return Account(name, settings)


def _unknown_account(name: str, accounts: Mapping[str, Any]) -> str:
    """Return what accounts there are, or how to begin a file of them."""
    path = config_path()
    if accounts:
        return f"there is no account {name!r} in {path}: there are {', '.join(accounts)}"
    table = name if _BARE_KEY.fullmatch(name) else "NAME"
    fault = "has no accounts" if path.exists() else "does not exist"
    return (
        f"there is no account {name!r}: {path} {fault}; write in it, "
        f'on three lines: [accounts.{table}], account_id = "ID", api_token_env = "VARIABLE"'
    )


def _read_accounts() -> dict[str, Any]:
    import tomllib  # noqa: PLC0415 - most commands need no file

    path = config_path()
    try:
        # Windows' editors begin a file with a byte order mark.
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except UnicodeDecodeError:
        raise WrongUsage(f"{path} is not UTF-8 text") from None
    except OSError as error:
        raise WrongUsage(f"{path}: {error.strerror or error}") from error
    except tomllib.TOMLDecodeError as error:
        raise WrongUsage(f"{path} is not TOML: {error}") from None
    accounts = document.pop("accounts", {})
    if document or not isinstance(accounts, dict):
        names = ", ".join(document) or "accounts"
        fault = _WHERE_SECRETS_BELONG if _SECRET_KEY.search(names) else "write tables such as [accounts.emea]"
        raise WrongUsage(f"{path}: {names} has no meaning there: {fault}")
    return accounts


def _fault(settings: Any) -> str:
    """Return what is wrong with the settings of an account, without their values; nothing if they are right."""
    if not isinstance(settings, dict):
        return "this is no table"
    for key in settings:
        if key not in _KEYS:
            nearest = next(iter(get_close_matches(key, _KEYS, n=1)), None)
            hint = f"; did you mean {nearest}?" if nearest else f"; there are {', '.join(_KEYS)}"
            return f"{key}: {_WHERE_SECRETS_BELONG}" if _SECRET_KEY.fullmatch(key) else f"unknown key {key}{hint}"
    faults = (f"{key} {fault}" for key, value in settings.items() if (fault := _value_fault(key, value)))
    return next(faults, "") or _scheme_fault(settings)


def _value_fault(key: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        return "is not a text in quotes"
    if key.endswith("_env") and not _VARIABLE.fullmatch(value) and value not in os.environ:
        return f"is not the name of a variable, in capitals: {_WHERE_SECRETS_BELONG}"
    if key.endswith("_file") and not Path(value).expanduser().is_absolute():
        return f"is not a path that begins with / or ~: {_WHERE_SECRETS_BELONG}"
    if key == "account_id" and len(value) > _MAX_ACCOUNT_ID_CHARS:
        return f"is longer than any account's id: {_WHERE_SECRETS_BELONG}"
    if key == "base_url" and "@" in value:
        return f"has a user or password: {_WHERE_SECRETS_BELONG}"
    return "is not an address" if key == "api_email" and "@" not in value else ""


def _scheme_fault(settings: Mapping[str, str]) -> str:
    if "account_id" not in settings:
        return 'account_id = "…" is missing'
    secrets = [key for key in _SECRETS if key in settings]
    if len(secrets) != 1:
        return f"{' and '.join(secrets)}: leave all but one out" if secrets else f"{' or '.join(_SECRETS)} is missing"
    if secrets[0].startswith("api_key") is not ("api_email" in settings):
        return "api_email and a key belong together, and a token needs neither"
    return ""
