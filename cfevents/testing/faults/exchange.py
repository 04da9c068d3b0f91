"""What a fault strikes: one request and its true answer."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from aiohttp import web
from attrs import define, frozen

__all__ = ["Exchange", "Fault"]


@define(eq=False)
class Exchange:
    """One request and its true answer, which a fault changes before it leaves.

    Attributes:
        request: The request, as aiohttp's server knows it.
        status: The answer's HTTP status.
        headers: The answer's headers.
        body: The answer's body.
        follow: Gives the page that a cursor leads to.
        aliases: What a cursor that was given out stands for, where that is another cursor.
    """

    __module__ = "cfevents.testing.faults"

    request: web.Request
    status: int
    headers: MutableMapping[str, str]
    body: bytes
    follow: Callable[[str], dict[str, Any]]
    aliases: dict[str, str]

    @property
    def document(self) -> dict[str, Any]:
        """The body, read anew; setting it spells the body."""
        document: dict[str, Any] = json.loads(self.body)
        return document

    @document.setter
    def document(self, document: dict[str, Any]) -> None:
        self.body = json.dumps(document).encode()

    def response(self) -> web.Response:
        """Make the answer that leaves."""
        return web.Response(status=self.status, headers=self.headers, body=self.body)


_Strike: TypeAlias = Callable[[Exchange], Awaitable[None] | None]


@frozen(eq=False, repr=False)
class Fault:
    """Something that goes wrong with one answer.

    Attributes:
        name: How it shows in a test's name, such as `reset('in body')`.
        strike: Does it, by changing the exchange; may be a coroutine function.
    """

    __module__ = "cfevents.testing.faults"

    name: str
    strike: _Strike

    def __repr__(self) -> str:
        """Show the name."""
        return self.name
