"""What the environment says, without saying what it is."""

from cfevents._secrets import environment
from cfevents.doctor.report import Check, Report
from cfevents.errors import ConfigurationError

_VARIABLES = (
    "CLOUDFLARE_API_TOKEN",
    "CLOUDFLARE_EMAIL",
    "CLOUDFLARE_API_KEY",
    "CLOUDFLARE_ACCOUNT_ID",
    "CLOUDFLARE_BASE_URL",
)
_TOKEN, _EMAIL, _KEY = _VARIABLES[:3]


def variables_check(*, used: bool = True) -> Check:
    """Tell which variables are set."""
    if not used:
        return Check("variables", "ok", "not used: the account is made up")
    values = {name: environment(name) is not None for name in _VARIABLES}
    given = "" if any(values.values()) else "; the client was given what it needs"
    return Check("variables", "ok", _told(values) + given + _which_wins(values), values=values)


def misconfigured(error: ConfigurationError) -> Report:
    """Report why there can be no client."""
    values = {name: environment(name) is not None for name in _VARIABLES}
    advice = "set what is missing or wrong, and run it again; to try it without an account, add --simulate"
    return Report((Check("variables", "failed", f"{error}; {_told(values)}", advice, values),))


def _told(values: dict[str, bool]) -> str:
    names = [name for name, is_set in values.items() if is_set]
    return f"set: {', '.join(names)}" if names else "none is set"


def _which_wins(values: dict[str, bool]) -> str:
    return f"; {_TOKEN} is used, and not {_KEY}" if values[_TOKEN] and values[_EMAIL] and values[_KEY] else ""
