"""No token shows anywhere in what Spark writes and says."""

import json
import os
import subprocess
import sys
from pathlib import Path

from support.spark import environment, options

from cfevents.testing import History, Simulator, SimulatorThread

PROGRAM = Path(__file__).with_name("telling.py")
REFUSED = "arg-token-33bb"


def test_spark_shows_no_token(tmp_path: Path) -> None:
    """No token is in logs, plans, the event log, the checkpoint or Spark's pages."""
    (tmp_path / "refused").write_text(REFUSED)
    folder = tmp_path / "spark"
    folder.mkdir()
    with SimulatorThread(Simulator(history=History(connectors=["c1"], days=2), quota=10**7)) as simulator:
        (tmp_path / "token").write_text(simulator.api_token)
        terms = json.dumps(options(simulator, connectors="all"))
        done = subprocess.run(
            [sys.executable, str(PROGRAM), str(folder), terms],
            env=os.environ | environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-5000:]
    assert (done.stdout.count("failed: "), done.stdout.count("shown ")) == (3, 5)
    written = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert any(b"BatchScan cfevents" in text for path, text in written.items() if "log" in path.parts)
    assert any("checkpoint" in path.parts and path.parent.name == "offsets" for path in written)
    for token in (simulator.api_token, REFUSED):
        assert token not in done.stdout
        assert [path for path, text in written.items() if token.encode() in text] == []
