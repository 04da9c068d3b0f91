"""Benchmarks of the library against the vendor's SDK and against the shortest possible client.

``nox -s bench`` runs everything, and passes what follows ``--`` to ``python -m benchmarks``; see its ``--help``.
"""
