"""The API without its transport: what is asked, and what an answer means. No I/O."""

from cfevents.protocol.answers import Answer, Response, read_answer
from cfevents.protocol.ratelimits import RateLimits, whole_seconds
from cfevents.protocol.requests import API, Request, find_api, is_loopback

__all__ = [
    "API",
    "Answer",
    "RateLimits",
    "Request",
    "Response",
    "find_api",
    "is_loopback",
    "read_answer",
    "whole_seconds",
]
