"""The words for a connection that fails."""

import os
import socket
import ssl


def connection_fault(error: Exception) -> str:
    """Return the system's words for an error, such as "Connection refused"; else its own, or the name of its class."""
    code = getattr(error, "errno", None)
    if isinstance(error, OSError) and code and not isinstance(error, ssl.SSLError | socket.gaierror):
        return os.strerror(code)  # asyncio's own are "Connect call failed ('192.0.2.1', 443)"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
