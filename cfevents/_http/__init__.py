"""Sending: one HTTP exchange, the request budget, retries. The only package that imports aiohttp."""
