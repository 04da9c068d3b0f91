"""The page on Spark: its examples run, one after the other, as a user's program."""

import os
import re
import subprocess
import sys
from pathlib import Path

from support.spark import environment

from cfevents.testing import History, Simulator, SimulatorThread

PAGE = Path(__file__).parents[3] / "docs" / "spark.md"


def test_examples_of_the_page_run(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (tmp_path / "page.py").write_text("\n".join(blocks))
    history = History(connectors=["connector-id", "another-one"], days=3)
    with SimulatorThread(Simulator(history=history, quota=10**7, max_page_size=1000)) as simulator:
        (tmp_path / "secrets").mkdir()
        (tmp_path / "secrets" / "north").write_text(simulator.api_token)
        done = subprocess.run(
            [sys.executable, "page.py"],
            cwd=tmp_path,
            env=os.environ | environment() | simulator.environment,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-5000:]
    assert len(blocks) >= 5
    assert "Reconcile" in done.stdout
