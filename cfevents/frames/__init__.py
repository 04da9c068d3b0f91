"""Streams as tables of Arrow, pandas and polars, and how far they were read. Each part needs an extra."""
