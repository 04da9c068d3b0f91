"""Secrets: kept out of every repr, log line, error and traceback, also where a response repeats what was sent.

One place masks all text that leaves the library: the values of the headers that were sent are remembered here, in
each encoding that a response may repeat them in, and `clean` masks them in messages, attributes of errors and log
records. Data is left alone: an event with the text of a credential stays as it was sent.
"""

import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, SupportsIndex, TypeVar

from cfevents._validation import printable

ErrorT = TypeVar("ErrorT", bound=BaseException)

MASK = "**********"

_SCHEMES = {"Bearer", "Basic", "ApiKey", "Splunk"}  # of the header Authorization
_HEADER_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
# A shorter text is no secret, and could be part of any word.
_MIN_SECRET_CHARS = 8
# A token that is rotated leaves another secret behind each time.
_MAX_REMEMBERED_SECRETS = 32
# A cursor or an id may be as long as a response.
_MAX_TEXT_CHARS = 2000


class _Forms(NamedTuple):
    """The texts by which a response may repeat a secret."""

    encoded: tuple[str, ...]
    plain: tuple[str, ...]  # any of its characters may be percent-encoded


_forms_by_secret: dict[str, _Forms] = {}
_in_use: list[tuple[str, ...]] = []  # of the requests that are under way


class Secret(str):
    """Text that stays out of every ``repr``, and so out of tracebacks with locals, other libraries' frames included.

    It goes into a header as the ``str`` that it is. A part of it is a secret too, since some printers cut a text before
    they call ``repr``. tests/api/test_secrets.py keeps it from leaking elsewhere.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"'{MASK}'"

    def __getitem__(self, key: "SupportsIndex | slice[Any, Any, Any]") -> "Secret":
        return Secret(super().__getitem__(key))

    def __iter__(self) -> Iterator[str]:
        return map(Secret, super().__iter__())

    def __format__(self, spec: str) -> str:
        return str.__format__(MASK if spec else self, spec)


class NonText:
    """The stand-in for an argument that should have been text, and may be a secret all the same."""

    def __init__(self, value: object) -> None:
        self.type_name = type(value).__name__


def mask(value: object) -> Any:
    """Mask an argument that may be a secret: text stays text, a callable and None stay as they are."""
    if value is None or callable(value):
        return value
    return Secret(value) if isinstance(value, str) else NonText(value)


def mask_values(headers: object) -> Any:
    """Mask the values of headers, some of which are secrets; anything but a mapping becomes a `NonText`."""
    if headers is None:
        return {}
    if not isinstance(headers, Mapping):
        return NonText(headers)
    return {name: mask(value) for name, value in headers.items()}


def validate_headers(argument: str, headers: Any) -> dict[str, Secret]:
    """Return what `mask_values` returned, with the names in lower case; raise TypeError or ValueError."""
    if isinstance(headers, NonText):
        raise TypeError(f"{argument} must be a mapping, not {headers.type_name}")
    for name, value in headers.items():
        if not (isinstance(name, str) and isinstance(value, str)):
            raise TypeError(f"{argument}: name and value of {name!r} must be text")
        if not re.fullmatch(_HEADER_NAME, name):  # it may be a secret that stands in the wrong place
            raise ValueError(f"{argument} has a name that no header can have: write letters, digits and -")
        if not value.isprintable():
            raise ValueError(f"{argument}: the value of {name!r} has a character that no header can hold: leave it out")
    return {name.lower(): value for name, value in headers.items()}


def replace_license_keys(value: Any, replace: Callable[[Any], Any]) -> Any:
    """Return JSON with each licence key replaced, wherever it stands: editions of the API may move it."""
    if isinstance(value, list):
        return [replace_license_keys(item, replace) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: replace(item) if name == "license_key" else replace_license_keys(item, replace)
        for name, item in value.items()
    }


def environment(name: str) -> str | None:
    """Read an environment variable, stripped; None where it is empty or not set."""
    # Never hold os.environ in a variable: its repr shows everything.
    return os.environ.get(name, "").strip() or None


@contextmanager
def remembered(values: tuple[str, ...]) -> Iterator[None]:
    """Remember the values of headers at least until their response was read, whatever other clients send meanwhile."""
    remember(values)
    _in_use.append(values)
    try:
        yield
    finally:
        _in_use.remove(values)
        remember(values)


def remember(values: Iterable[str]) -> None:
    """Remember the values of headers that are sent, so that `hide` masks them in what comes back."""
    for value in values:
        known = _forms_by_secret.get(value) or _forms(value)
        # The one used last stays longest.
        _forms_by_secret.pop(value, known)
        _forms_by_secret[value] = known
    if len(_forms_by_secret) > _MAX_REMEMBERED_SECRETS:
        used = {value for sent in (*_in_use,) for value in sent}
        for value in [value for value in (*_forms_by_secret,) if value not in used][:-_MAX_REMEMBERED_SECRETS]:
            _forms_by_secret.pop(value, None)


def hide(text: str) -> str:
    """Return text with each remembered secret masked, in whichever encoding it is repeated."""
    for forms in (*_forms_by_secret.values(),):
        if any(map(text.__contains__, forms.encoded)):
            for form in forms.encoded:
                text = text.replace(form, MASK)
        if "%" in text:
            text = _hide_quoted(text, forms.plain)
    return text


def _hide_quoted(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        # Compiling the pattern of a long token takes half a second, so its beginning is looked for first.
        if re.search(quoted_pattern(secret[:_MIN_SECRET_CHARS]), text):
            text = re.sub(quoted_pattern(secret), MASK, text)
    return text


def mask_repeated(text: str) -> str:
    """Return text that has to stay as it is, such as a cursor: as a `Secret` where it repeats one."""
    return text if hide(text) == text else Secret(text)


def hide_in(error: ErrorT) -> ErrorT:
    """Mask what another library's exception and its causes repeat; drop their frames, whose variables hold headers."""
    cause: BaseException | None = error
    while cause is not None:
        cause.__traceback__ = None
        cause.args = tuple(map(_without_secrets, cause.args))
        for name, value in list(vars(cause).items()):
            with suppress(AttributeError):
                setattr(cause, name, _without_secrets(value))
        cause = cause.__cause__ or cause.__context__
    return error


def clean(text: str) -> str:
    """Return text of any origin as one line that is safe to show: of bounded length, without secrets and controls."""
    text, half = hide(text), _MAX_TEXT_CHARS // 2
    return printable(text if len(text) <= _MAX_TEXT_CHARS else f"{text[:half]} … {text[-half:]}")


def _without_secrets(value: Any) -> Any:
    if isinstance(value, str):
        return hide(value)
    return value if hide(text := repr(value)) == text else None


def _forms(sent: str) -> _Forms:
    """Return how a response may repeat a header's value."""
    from base64 import b64decode  # noqa: PLC0415 - importing has to be quick

    scheme, _, credential = str(sent).partition(" ")
    texts = {credential if scheme in _SCHEMES else str(sent)}
    if scheme in {"Basic", "ApiKey"}:
        with suppress(ValueError):
            pair = b64decode(credential).decode()
            texts |= {pair, pair.partition(":")[2]}
    texts = {text for text in texts if len(text) >= _MIN_SECRET_CHARS}
    # The longest first: one may be a part of another.
    encoded = sorted({form for text in texts for form in _encodings(text)}, key=len, reverse=True)
    return _Forms(tuple(encoded), tuple(texts))


def quoted_pattern(text: str) -> str:
    """Return the regular expression of a text of which any character may be percent-encoded."""
    codes = ((character, "".join(f"%{code:02x}" for code in character.encode(errors="replace"))) for character in text)
    return "".join(f"(?:{re.escape(character)}|(?i:{code}))" for character, code in codes)


def _encodings(text: str) -> Iterator[str]:
    import html  # noqa: PLC0415 - as above
    import json  # noqa: PLC0415 - as above
    from base64 import b64encode  # noqa: PLC0415 - as above

    yield from (text, html.escape(text), json.dumps(text)[1:-1])
    for shift in range(3):
        # Base64 of a longer text shows this one from the first to the last character that no neighbour takes part in.
        raw = bytes(shift) + text.encode()
        core = b64encode(raw).decode()[(4 * shift + 2) // 3 : 8 * len(raw) // 6]
        yield from (core, core.replace("+", "-").replace("/", "_"))


class _CleanArguments(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(clean(value) if isinstance(value, str) else value for value in record.args)
        return True


for _name in ("cfevents", "cfevents.requests"):
    logging.getLogger(_name).addFilter(_CleanArguments())
