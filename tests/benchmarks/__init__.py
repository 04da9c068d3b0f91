"""What the library costs, beside the vendor's SDK and beside the least that could be written.

``nox -s bench`` runs everything, and what follows ``--`` goes to ``python -m benchmarks``; ``--help`` tells of it.
"""
