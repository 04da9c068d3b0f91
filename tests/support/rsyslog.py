"""A real rsyslog of a test's own, with the settings of the page, run as a user of its own."""

import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trustme

from support.programs import folder_and_user

PROGRAM = os.environ.get("CFEVENTS_RSYSLOG", "")
"""The path of rsyslogd, which ``nox -s sinks`` finds; empty where these tests are left out."""

_PAGE = Path(__file__).parents[2] / "docs" / "sinks.md"
_START_S = 10


class RSyslog:
    """A server with the settings of the page, but other paths and ports. It can be killed, and started again."""

    def __init__(self, folder: Path, user: str | None) -> None:
        self.folder, self._user = folder, user
        self._process: subprocess.Popen[bytes] | None = None
        self.ports = {"tcp": _free_port(), "tls": _free_port()}
        (settings,) = re.findall(r"^```\n(# rsyslog.*?)^```$", _PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
        for name, here in {
            "/etc/rsyslog.d/tls/": f"{folder}/",
            "/var/log/": f"{folder}/",
            'port="601"': f'port="{self.ports["tcp"]}"',
            'port="6514"': f'address="127.0.0.1" port="{self.ports["tls"]}"',
        }.items():
            assert settings.count(name), name
            settings = settings.replace(name, here)
        (folder / "rsyslog.conf").write_text(settings)
        self._write_certificate()

    def _write_certificate(self) -> None:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.folder / "ca.pem"))
        issued = authority.issue_cert("127.0.0.1")
        issued.cert_chain_pems[0].write_to_path(str(self.folder / "cert.pem"))
        issued.private_key_pem.write_to_path(str(self.folder / "key.pem"))
        if self._user is not None:
            shutil.chown(self.folder / "key.pem", self._user)

    def start(self) -> None:
        command = [PROGRAM, "-n", "-iNONE", "-f", str(self.folder / "rsyslog.conf")]
        with (self.folder / "rsyslog.log").open("a") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, user=self._user, cwd=self.folder)
        give_up_at = time.monotonic() + _START_S
        for port in self.ports.values():
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except OSError:
                    assert time.monotonic() < give_up_at, (self.folder / "rsyslog.log").read_text()
                    time.sleep(0.02)

    def crash(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def url(self, scheme: str = "tcp") -> str:
        return f"syslog+{scheme}://127.0.0.1:{self.ports[scheme]}"

    @property
    def events(self) -> list[dict[str, Any]]:
        """What it has written so far; a line that a crash has cut counts as not there."""
        path = self.folder / "cfevents.ndjson"
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]


@contextmanager
def rsyslog() -> Iterator[RSyslog]:
    """Run a server."""
    with folder_and_user("cfevents-rsyslog-") as (folder, user):
        server = RSyslog(folder, user)
        server.start()
        try:
            yield server
        finally:
            server.crash()


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
