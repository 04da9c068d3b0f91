"""The API without its transport: what is asked, and what an answer means. No I/O."""

from cfevents._protocol.rate_limits import RateLimits, whole_seconds
from cfevents._protocol.requests import API, Request, find_api, is_loopback
from cfevents._protocol.responses import Answer, OpenAnswer, Response, open_answer, read_answer

__all__ = [
    "API",
    "Answer",
    "OpenAnswer",
    "RateLimits",
    "Request",
    "Response",
    "find_api",
    "is_loopback",
    "open_answer",
    "read_answer",
    "whole_seconds",
]
