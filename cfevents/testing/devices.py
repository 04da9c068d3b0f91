"""Connectors as the account's list describes them, made up from their ids."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from random import Random
from typing import Any

from cfevents.testing.store import StoredEvent

__all__ = ["describe_connector"]

_BEFORE = datetime(2025, 1, 1, tzinfo=UTC).timestamp()


def describe_connector(connector_id: str, newest: Sequence[StoredEvent] = ()) -> dict[str, Any]:
    """Describe a connector: always the same for one id, but for what its newest events tell.

    Args:
        connector_id: The connector's id.
        newest: Its last events, newest first.

    Returns:
        The connector as JSON; times are ISO 8601 texts in UTC.
    """
    random = Random(f"device/{connector_id}")
    described: dict[str, Any] = {
        "id": connector_id,
        "activated": True,
        "device": {
            "id": f"{random.getrandbits(128):032x}",
            "serial_number": f"SIM{random.randrange(10**7):07d}",
        },
        "interrupt_window_duration_hours": 4,
        "interrupt_window_hour_of_day": random.randrange(24),
        "last_updated": _iso(_BEFORE + random.randrange(10**7)),
        "notes": f"Simulated appliance {connector_id}",
        "timezone": random.choice(["Europe/Lisbon", "America/Chicago", "Asia/Singapore"]),
    }
    if newest:
        with suppress(OverflowError, ValueError):  # a time that is no date
            described["last_heartbeat"] = _iso(max(event.a for event in newest))
        version = next((event.recorded["v"] for event in newest if "v" in event.recorded), None)
        described |= {} if version is None else {"last_seen_version": version}
    return described


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
