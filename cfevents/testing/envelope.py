"""The envelope around every answer, and the answers that are a refusal."""

import hmac
from collections.abc import Mapping
from typing import Any

from cfevents.testing.settings import SimulatorSettings


class Refusal(Exception):  # noqa: N818
    """A request that is answered with an error.

    Attributes:
        status: The HTTP status.
        code: The coded message's number.
        message: The coded message's text.
    """

    def __init__(self, status: int, code: int, message: str) -> None:
        """Refuse with a status and one coded message."""
        super().__init__(status, code, message)
        self.status = status
        self.code = code
        self.message = message


def success(result: object) -> dict[str, Any]:
    """Wrap a result."""
    return {"result": result, "success": True, "errors": [], "messages": []}


def failure(refusal: Refusal) -> dict[str, Any]:
    """Wrap a refusal."""
    coded = {"code": refusal.code, "message": refusal.message}
    return {"result": None, "success": False, "errors": [coded], "messages": []}


def malformed(message: str) -> Refusal:
    """Say that a request makes no sense; the code is made up, the documentation has none."""
    return Refusal(400, 1400, message)


def not_found(what: str) -> Refusal:
    """Say that something does not exist; the code is made up, the documentation has none."""
    return Refusal(404, 1404, f"{what} not found")


def check_credentials(headers: Mapping[str, str], settings: SimulatorSettings) -> None:
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
