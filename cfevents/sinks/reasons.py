"""The errors of a connection that fails, in the system's words."""

import os
import socket
import ssl

from cfevents.errors import SinkError


def connection_error(name: str, error: Exception, text: str = "") -> SinkError:
    """Return the error for a receiver that cannot be reached, with its text, or for TLS that cannot be trusted."""
    if not isinstance(error, ssl.SSLError) or isinstance(error, ssl.SSLEOFError):
        return SinkError(f"{name} cannot be reached: {text or connection_fault(error)}", is_temporary=True)
    text = getattr(error, "verify_message", None) or error.reason or str(error)
    advice = "SSL_CERT_FILE names a file of the authorities to trust, for every connection and in place of the system's"
    return SinkError(f"{name} has no valid TLS certificate, or speaks no TLS: {text}; {advice}: put both in")


def connection_fault(error: Exception) -> str:
    """Return the system's words for an error, such as "Connection refused"; else its own, or the name of its class."""
    code = getattr(error, "errno", None)
    if isinstance(error, OSError) and code and not isinstance(error, ssl.SSLError | socket.gaierror):
        return os.strerror(code)  # asyncio's own are "Connect call failed ('192.0.2.1', 443)"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
