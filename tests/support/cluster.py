"""A Spark cluster on this machine: a master, and workers that act as machines of their own."""

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
    """A process of the cluster with its child processes, and a folder for their files."""

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

    def wait_for_log(self, text: str) -> str:
        """Wait until a text is in the log; return the word after it."""
        for _ in range(600):
            if match := re.search(text + r"(\S*)", self.log.read_text()):
                return match[1]
            if self._process.poll() is not None:
                break
            time.sleep(0.1)
        raise AssertionError(f"{text!r} is not in the log: {self.log.read_text()[-5000:]}")

    def lose(self) -> None:
        """Kill it with its child processes, as a power cut does."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


class Cluster(NamedTuple):
    """The address for a driver, and the workers."""

    master: str
    workers: list[Machine]


@contextmanager
def cluster(folder: Path, workers: int = 2) -> Iterator[Cluster]:
    """Run a cluster whose workers have one core each; they alone have the token."""
    with ExitStack() as running:
        master = Machine(folder / "master", "master.Master", token=False)
        running.callback(master.lose)
        address = master.wait_for_log("Starting Spark master at ")
        running_cluster = Cluster(address, [])
        for number in range(workers):
            own = folder / f"worker{number}"
            size = ["--cores", "1", "--memory", "1g", "--work-dir", str(own / "work")]
            worker = Machine(own, "worker.Worker", *size, address, token=True)
            running.callback(worker.lose)
            running_cluster.workers.append(worker)
        for worker in running_cluster.workers:
            worker.wait_for_log("Successfully registered with master ")
        yield running_cluster


def _spark_class() -> str:
    """Return the path of the command that starts a class of Spark."""
    return str(files("pyspark") / "bin" / "spark-class")
