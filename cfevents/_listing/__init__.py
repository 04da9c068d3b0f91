"""Listings as streams of events: of one connector or of many, in slices side by side, with payloads."""
