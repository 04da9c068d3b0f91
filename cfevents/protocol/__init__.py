"""The API without its transport: what is asked, and what an answer means. No I/O."""

from cfevents.protocol.answers import Answer, OpenAnswer, Response, open_answer, read_answer
from cfevents.protocol.ratelimits import RateLimits, whole_seconds
from cfevents.protocol.requests import API, Request, find_api, is_loopback

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
