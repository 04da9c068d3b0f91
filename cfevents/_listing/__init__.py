"""Listings as streams of events: of one connector or of many, page by page or in concurrent slices, with payloads."""
