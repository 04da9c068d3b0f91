"""Requests and responses of the API: bytes to model and back. No I/O."""
