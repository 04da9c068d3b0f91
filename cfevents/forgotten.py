"""That a client was forgotten open, in plain words, when it is collected or Python ends."""

import logging
import warnings
import weakref

from cfevents._http.transport import Transport

_log = logging.getLogger("cfevents")


def tell_if_forgotten(client: object, account_id: str, transport: Transport) -> "weakref.finalize[..., object]":
    """Tell when a client is gone that was not closed, and close its connections. Call `detach` where it was closed.

    A session of the caller's is the caller's to close, and nothing is told of it.
    """
    return weakref.finalize(client, _tell, account_id, transport)


def _tell(account_id: str, transport: Transport) -> None:
    if not transport.is_ours:
        return
    transport.abandon()
    text = (
        f"a client of account {account_id} was forgotten open: write 'async with Client() as client', or "
        "await client.close() when it is no longer needed"
    )
    # Python shows a ResourceWarning to those who test, and to nobody in a notebook.
    _log.warning("%s", text)
    warnings.warn(text, ResourceWarning, stacklevel=2)
