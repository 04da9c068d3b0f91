"""A program that reads a stream into Parquet, until it is killed or has read what is there."""

import json
import sys
from pathlib import Path
from typing import Any

from support.spark import running


def main(folder: Path, options: dict[str, str], mode: str) -> None:
    """Run the query that the documentation shows; in the end print what it wrote."""
    with running(folder, "local[2]", {"spark.driver.memory": "512m"}) as spark:
        frame = spark.readStream.format("cfevents").options(**options).load()
        once = frame.withWatermark("collected_at", "1 minute").dropDuplicatesWithinWatermark(["connector_id", "id"])
        writer = once.writeStream.format("parquet").option("checkpointLocation", str(folder / "checkpoint"))
        if mode == "killed":
            writer.start(str(folder / "events")).awaitTermination()
        writer.trigger(availableNow=True).start(str(folder / "events")).awaitTermination()
        rows: list[Any] = spark.read.parquet(str(folder / "events")).select("connector_id", "id").collect()
        print(json.dumps([list(row) for row in rows]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3])
