"""The configurations of shippers, of those that can be installed here."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from support.batches import BEGIN, batch, listed

from cfevents.storage import NDJSONFile

CONFIGURATIONS = Path(__file__).parents[2] / "docs" / "shipping"
LONG = "K" * 20_000  # more than rsyslog takes by default


@contextmanager
def shipper(folder: Path) -> Iterator[None]:
    """Run rsyslog with the configuration of the page, into a file instead of over the network."""
    program = shutil.which("rsyslogd")
    if program is None:
        pytest.skip("'nox -s sinks' installs rsyslog")
    text = (CONFIGURATIONS / "rsyslog.conf").read_text(encoding="utf-8")
    begin, end = text.index('type="omfwd"'), text.index("action.resumeRetryCount")
    text = f'{text[:begin]}type="omfile" file="{folder}/shipped" template="line"\n{text[end:]}'
    text = text.replace("/var/spool/rsyslog", str(folder)).replace("/var/lib/cfevents", str(folder))
    (folder / "rsyslog.conf").write_text(text, encoding="utf-8")
    arguments = ["-n", "-f", str(folder / "rsyslog.conf"), "-i", str(folder / "pid")]
    process = subprocess.Popen([program, *arguments], stderr=subprocess.PIPE, text=True)
    try:
        yield
    finally:
        process.terminate()
        _, complaints = process.communicate(timeout=10)
    assert complaints == ""


def wait_until(is_true: Callable[[], bool]) -> None:
    for _ in range(1000):
        if is_true():
            return
        time.sleep(0.01)
    raise AssertionError("not in time")


def has_lines(path: Path, count: int) -> bool:
    return path.exists() and path.read_bytes().count(b"\n") == count


@pytest.mark.once
async def test_rsyslog_ships_each_line_across_a_rotation(tmp_path: Path) -> None:
    """Lines that were there before, long ones, and those after logrotate has renamed the file arrive as they are."""
    path, shipped = tmp_path / "events.ndjson", tmp_path / "shipped"
    checkpoint = None
    written = 0
    async with NDJSONFile(path) as file:
        with shipper(tmp_path):
            for kinds in ["Init", LONG], ["Reconcile"], ["a\n\u2028\x1bb%msg%"]:
                after = batch([listed(BEGIN + written + n, n, kind) for n, kind in enumerate(kinds)], after=checkpoint)
                await file.write(after)
                checkpoint, written = after.checkpoint, written + len(kinds)
                wait_until(partial(has_lines, shipped, written))
                if kinds == ["Reconcile"]:
                    path.rename(tmp_path / "events.ndjson.1")
                    file.reopen()
    lines = (tmp_path / "events.ndjson.1").read_bytes() + path.read_bytes()
    assert shipped.read_bytes() == lines
