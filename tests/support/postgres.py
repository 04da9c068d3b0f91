"""A PostgreSQL of a test's own, on a socket in a folder of its own, run as a user of its own."""

import os
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from support.programs import folder_and_user

PROGRAMS = os.environ.get("CFEVENTS_POSTGRESQL", "")
"""The folder of initdb and pg_ctl, which ``nox -s sinks`` finds; empty where these tests are left out."""

POOLER = os.environ.get("CFEVENTS_PGBOUNCER", "")
"""The path of pgbouncer, where it is installed."""


class Cluster:
    """A server that can be stopped as a crash would, and started again."""

    def __init__(self, folder: Path, user: str | None) -> None:
        self.folder, self._user = folder, user
        self._run("initdb", "--auth-local=trust", "--auth-host=scram-sha-256", "-U", "postgres", "--no-sync")

    def _run(self, program: str, *arguments: str) -> None:
        command = [f"{PROGRAMS}/{program}", "-D", str(self.folder / "data"), *arguments]
        with (self.folder / "log").open("a") as log:
            subprocess.run(command, check=True, stdout=log, stderr=log, user=self._user, cwd=self.folder)

    def url(self, table: str, **more: str) -> str:
        """The address of a table of the sink."""
        query = "".join(f"&{name}={value}" for name, value in more.items())
        return f"postgresql://postgres@/postgres?host={self.folder}&table={table}{query}"

    def start(self, *, listens: str = "", fsync: bool = False) -> None:
        options = f"-k {self.folder} -c listen_addresses='{listens}' -c fsync={'on' if fsync else 'off'}"
        self._run("pg_ctl", "-w", "-o", options, "start")

    def crash(self) -> None:
        """Let it die without a word to its clients; it recovers when it is started."""
        self._run("pg_ctl", "-m", "immediate", "stop")

    async def fetch(self, sql: str, *arguments: Any) -> list[Any]:
        """Run one statement on a connection of its own."""
        import asyncpg  # noqa: PLC0415 - an extra

        connection = await asyncpg.connect(f"postgresql://postgres@/postgres?host={self.folder}")
        try:
            return list(await connection.fetch(sql, *arguments))
        finally:
            await connection.close()

    @asynccontextmanager
    async def locked(self, table: str) -> AsyncIterator[None]:
        """Let nobody else use a table."""
        import asyncpg  # noqa: PLC0415 - an extra

        connection = await asyncpg.connect(f"postgresql://postgres@/postgres?host={self.folder}")
        try:
            async with connection.transaction():
                await connection.execute(f"LOCK TABLE {table}")
                yield
        finally:
            await connection.close()

    @contextmanager
    def pooler(self) -> Iterator[str]:
        """Yield the address of a table behind a pooler, which gives each transaction another connection."""
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            port = sock.getsockname()[1]
        settings = f"""[databases]
            postgres = host={self.folder} user=postgres
            [pgbouncer]
            listen_addr = 127.0.0.1
            listen_port = {port}
            unix_socket_dir =
            auth_type = any
            pool_mode = transaction
            default_pool_size = 3
            logfile = {self.folder}/pooler.log"""
        (self.folder / "pooler.ini").write_text("\n".join(map(str.strip, settings.splitlines())))
        pooler = subprocess.Popen([POOLER, "-q", str(self.folder / "pooler.ini")], user=self._user)
        give_up_at = time.monotonic() + 10
        try:
            with socket.socket() as sock:
                while sock.connect_ex(("127.0.0.1", port)):
                    assert time.monotonic() < give_up_at
                    time.sleep(0.02)
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres?table=events"
        finally:
            pooler.kill()
            pooler.wait()


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Run a server; root hands it to another user, since PostgreSQL refuses to run as root."""
    with folder_and_user("cfevents-pg-") as (folder, user):
        server = Cluster(folder, user)
        server.start()
        try:
            yield server
        finally:
            server.crash()
