"""A Spark cluster on this machine: a master, and workers that stand for machines of their own."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from support.spark import environment

_SETTINGS = {"SPARK_DAEMON_MEMORY": "512m", "SPARK_DAEMON_JAVA_OPTS": "-Dspark.master.rest.enabled=false"}


class Machine:
    """A process of the cluster with all that it starts, and a folder for all that these write."""

    def __init__(self, folder: Path, what: str, *arguments: str, token: bool) -> None:
        """Start it."""
        self.folder = folder
        self.log = folder / "log"
        folder.mkdir(parents=True)
        place = ["--host", "127.0.0.1", "--port", "0", "--webui-port", "0"]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [_spark_class(), f"org.apache.spark.deploy.{what}", *place, *arguments],
                cwd=folder,
                env=os.environ | environment(token=token) | _SETTINGS,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def said(self, what: str) -> str:
        """Wait until it has said something; give what stands behind it."""
        for _ in range(600):
            if found := re.search(what + r"(\S*)", self.log.read_text()):
                return found[1]
            if self._process.poll() is not None:
                break
            time.sleep(0.1)
        raise AssertionError(f"it did not say {what!r}, but {self.log.read_text()[-5000:]}")

    def lose(self) -> None:
        """End it with all that it started, as a power cut does."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


class Cluster(NamedTuple):
    """What a driver has to know of it, and what may be lost."""

    master: str
    workers: list[Machine]


@contextmanager
def cluster(folder: Path, workers: int = 2) -> Iterator[Cluster]:
    """Run a cluster whose workers have a core each, and alone know the token."""
    with ExitStack() as running:
        master = Machine(folder / "master", "master.Master", token=False)
        running.callback(master.lose)
        address = master.said("Starting Spark master at ")
        made = Cluster(address, [])
        for number in range(workers):
            own = folder / f"worker{number}"
            size = ["--cores", "1", "--memory", "1g", "--work-dir", str(own / "work")]
            worker = Machine(own, "worker.Worker", *size, address, token=True)
            running.callback(worker.lose)
            made.workers.append(worker)
        for worker in made.workers:
            worker.said("Successfully registered with master ")
        yield made


def _spark_class() -> str:
    """Find the command that starts a class of Spark."""
    return str(files("pyspark") / "bin" / "spark-class")
