"""The memory that a body's JSON values take, estimated before they are made."""

import re

LARGE_BODY_BYTES = 2**20
"""Larger bodies are checked by `is_too_dense`, and parsed on a thread. An ordinary page is far smaller."""

# Of CPython's objects, with the place that each has in its container.
_EMPTY_BYTES = 80
_OBJECT_BYTES = 200
_TEXT_BYTES = 60
_NUMBER_BYTES = 40
# Python shares the numbers up to 256.
_SHARED_NUMBER_CHARS = 3.5
# With the body itself, and the text that it is decoded to, ten times its size.
_MAX_RATIO = 8
_MIN_BODY_BYTES_PER_NAME = 100
_CHUNK_BYTES = 2**16
_NAME = re.compile(rb'"([^"]{0,40})"\s*:')


def is_too_dense(body: bytes) -> bool:
    """Return whether a body would become more than ten times its size.

    The estimate counts objects, arrays, texts, and the numbers in arrays. Names of fields are shared between objects,
    so only the different ones count. A body of events takes half of the limit.
    """
    empty = body.count(b"{}")
    names = body.count(b'":')
    texts = max(0, body.count(b'"') // 2 - names)
    size = _EMPTY_BYTES * (empty + body.count(b"[")) + _OBJECT_BYTES * (body.count(b"{") - empty) + _TEXT_BYTES * texts
    if len(body) > _SHARED_NUMBER_CHARS * (commas := body.count(b",")):
        size += _NUMBER_BYTES * max(0, commas - body.count(b":") - texts)
    return size > _MAX_RATIO * len(body) or _has_too_many_names(body)


def _has_too_many_names(body: bytes) -> bool:
    seen, most = set[bytes](), len(body) // _MIN_BODY_BYTES_PER_NAME
    for start in range(0, len(body), _CHUNK_BYTES):
        seen.update(_NAME.findall(body, start, start + _CHUNK_BYTES))
        if len(seen) > most:
            return True
    return False
