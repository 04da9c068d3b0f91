"""A program that does what a session may do with the data source, while everything is logged."""

import json
import sys
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from support.spark import running

_CONF = {
    "spark.eventLog.enabled": "true",
    "spark.eventLog.compress": "false",
    "spark.log.level": "INFO",
    "spark.ui.enabled": "true",
    "spark.ui.port": "0",
    "spark.driver.host": "127.0.0.1",
}


def fails(frame: Any) -> None:
    """Print what a job that cannot succeed tells."""
    try:
        frame.count()
    except Exception as error:
        print(f"failed: {error!r}\n{error}")


def main(folder: Path, options: dict[str, str]) -> None:
    """Read in every way, and fail in some."""
    (folder / "log").mkdir()
    with running(folder, "local[2]", {**_CONF, "spark.eventLog.dir": str(folder / "log")}) as spark:

        def load(**more: str) -> Any:
            return spark.read.format("cfevents").options(**{**options, "since": "1d", **more}).load()

        for more in ({}, {"token_env": "CLOUDFLARE_API_TOKEN"}, {"token_file": str(folder.parent / "token")}):
            frame = load(**more)
            frame.explain(True)
            frame.explain("formatted")
            print("read", frame.count())
        for more in (
            {"token_env": "NOT_THERE"},
            {"token_file": str(folder.parent / "refused")},
            {"connectors": "nobody"},
        ):
            fails(load(**more))
        frame = spark.readStream.format("cfevents").options(**options, since="1d").load()
        once = frame.withWatermark("collected_at", "1 day").dropDuplicatesWithinWatermark(["connector_id", "id"])
        writer = once.writeStream.format("parquet").option("checkpointLocation", str(folder / "checkpoint"))
        query = writer.trigger(availableNow=True).start(str(folder / "events"))
        query.awaitTermination()
        query.explain(True)
        print(query.lastProgress)
        for page in ("environment", "SQL", "jobs", "executors", "StreamingQuery"):
            with urlopen(f"{spark.sparkContext.uiWebUrl}/{page}/") as shown:
                print("shown", page, shown.read().decode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
