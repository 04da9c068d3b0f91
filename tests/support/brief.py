"""What is tried on a further Python, where nox has run everything on the first."""

import os

from hypothesis import HealthCheck, settings

IS_BRIEF = "CFEVENTS_TESTS_BRIEF" in os.environ

# Another hundred examples would find what the first hundred have found.
_FRACTION = 5
_DEFAULT_EXAMPLES = 100
_MIN_EXAMPLES = 5


def examples(count: int) -> int:
    """Return how many examples hypothesis tries: all of them, or a fifth on a further Python."""
    return max(_MIN_EXAMPLES, count // _FRACTION) if IS_BRIEF else count


settings.register_profile(
    "cfevents",
    max_examples=examples(_DEFAULT_EXAMPLES),
    # Seconds decide about no test: a machine may be busy.
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("cfevents")
