"""promtool, the checker that comes with Prometheus, where it is installed; `nox -s sinks` installs it."""

import shutil
import subprocess

import pytest


def promtool(*args: str, text: str | None = None, cwd: object = None) -> str:
    """Run promtool, and return what it prints; a complaint fails the test, and without promtool it is skipped."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("there is no promtool: 'apt-get install prometheus' has it")
    done = subprocess.run(
        [program, *args], input=text, capture_output=True, text=True, cwd=str(cwd or "."), check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout
