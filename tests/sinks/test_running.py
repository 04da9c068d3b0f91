"""The unit for systemd and the container's recipe, as far as the tools of this machine can check them."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from cfevents.cli.app import app

RUNNING = Path(__file__).parents[2] / "docs" / "running"
UNIT = (RUNNING / "cfevents-forward.service").read_text(encoding="utf-8")


def program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def test_command_of_the_unit_is_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its options exist; it asks for nothing but what the environment file has."""
    monkeypatch.chdir(tmp_path)
    (command,) = re.findall("^ExecStart=(.*)", UNIT, re.MULTILINE)
    (tmp_path / "receiver-token").write_text("header-secret-55dd")
    _, *arguments = shlex.split(command.replace("%d", str(tmp_path)))
    done = CliRunner().invoke(app, [*arguments, "--to", "https://siem.example/"], env={"CLOUDFLARE_ACCOUNT_ID": "a"})
    assert (done.exit_code, "no credentials: set CLOUDFLARE_API_TOKEN" in done.stderr) == (2, True)


@pytest.mark.once
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    analyze = program("systemd-analyze")
    unit = tmp_path / "cfevents-forward.service"
    unit.write_text(UNIT.replace("/opt/cfevents/bin/cfevents", program("true")))
    done = subprocess.run([analyze, "verify", unit], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    rating = subprocess.run(
        [analyze, "security", "--offline=true", "--threshold=15", "--no-pager", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (rating.returncode, "exposure level" in rating.stdout) == (0, True), rating.stdout


@pytest.mark.once
def test_hadolint_takes_the_containerfile() -> None:
    done = subprocess.run([program("hadolint"), RUNNING / "Containerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
