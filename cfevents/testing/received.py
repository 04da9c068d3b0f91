"""What the simulator remembers of a request."""

from attrs import frozen

__all__ = ["AskedRequest"]


@frozen
class AskedRequest:
    """One request as it arrived, without its headers, so without secrets.

    Attributes:
        method: The HTTP method, such as `"GET"`.
        path: The whole path, decoded, such as `"/client/v4/accounts/…"`.
        query: The decoded query; of a parameter given twice, the last value.
    """

    __module__ = "cfevents.testing"

    method: str
    path: str
    query: dict[str, str]
