"""What needs Spark is left out where it is not installed: `nox -s spark` installs it."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("pyspark") else ["engine"]
