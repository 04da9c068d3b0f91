"""A real Spark on this machine. Its workers have the simulator's token in their environment."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cfevents.testing import Simulator


def environment(*, token: bool = True) -> dict[str, str]:
    """Return the environment to start Spark with: its Java hands it to the workers."""
    needed = {
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    return needed | ({"CLOUDFLARE_API_TOKEN": Simulator(events={}).api_token} if token else {})


@contextmanager
def running(folder: Path, master: str = "local[2]", conf: Mapping[str, str] | None = None) -> Iterator[Any]:
    """Run a session with the data source registered, and all files of Spark in a folder."""
    # Only where it is installed.
    from pyspark.sql import SparkSession  # noqa: PLC0415 # pyright: ignore[reportMissingImports]

    from cfevents.spark import EventsDataSource  # noqa: PLC0415

    assert SparkSession.getActiveSession() is None, "the active session would be stopped with this one"
    os.environ.update(environment(token=master.startswith("local")))
    settings = {
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.local.dir": str(folder / "local"),
        "spark.log.level": "ERROR",
        "spark.ui.showConsoleProgress": "false",
        **(conf or {}),
    }
    session = SparkSession.builder.master(master).config(map=settings).getOrCreate()
    try:
        session.dataSource.register(EventsDataSource)
        yield session
    finally:
        session.stop()


def options(simulator: Simulator, **more: object) -> dict[str, str]:
    """Return the options that read from a simulator, without pacing unless it is given."""
    given = {"base_url": simulator.base_url, "account_id": simulator.account_id, "requests": 10**6, **more}
    return {name: str(value) for name, value in given.items()}


def load(spark: Any, simulator: Simulator, **more: object) -> Any:
    """Return the frame of a batch read from a simulator."""
    return spark.read.format("cfevents").options(**options(simulator, **more)).load()
