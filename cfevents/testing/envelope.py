"""The envelope around every answer, and the answers that are a refusal."""

from typing import Any

__all__ = ["Refusal", "failure", "malformed", "not_found", "success"]


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
