"""A driver that reads on a cluster, and prints the rows; it knows no token."""

import json
import os
import sys
from pathlib import Path

from support.spark import running


def main(folder: Path, master: str, options: dict[str, str]) -> None:
    """Read once."""
    assert "CLOUDFLARE_API_TOKEN" not in os.environ
    with running(folder, master, {"spark.executor.memory": "512m", "spark.driver.host": "127.0.0.1"}) as spark:
        frame = spark.read.format("cfevents").options(**options).load()
        print(json.dumps(sorted(list(row) for row in frame.select("connector_id", "id").collect())))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]))
