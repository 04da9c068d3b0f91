"""Who may ask: one of two schemes of credentials."""

import hmac
from collections.abc import Mapping

from cfevents.testing.envelope import Refusal
from cfevents.testing.settings import Settings

__all__ = ["check_credentials"]


def check_credentials(headers: Mapping[str, str], settings: Settings) -> None:
    """Let a request pass that carries the token, or the e-mail address and the key.

    Raises:
        Refusal: 401 without credentials or with a wrong token, 403 with a wrong e-mail address or key.
    """
    if "Authorization" not in headers and ("X-Auth-Email" in headers or "X-Auth-Key" in headers):
        email = _same(headers.get("X-Auth-Email", ""), settings.api_email)
        key = _same(headers.get("X-Auth-Key", ""), settings.api_key)
        if not (email and key):
            raise Refusal(403, 9103, "Unknown X-Auth-Key or X-Auth-Email")
    elif not _same(headers.get("Authorization", ""), f"Bearer {settings.api_token}"):
        raise Refusal(401, 10000, "Authentication error")


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode("utf-8", "replace"))
