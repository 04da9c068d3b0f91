#!/usr/bin/env bash
# asyncpg refuses a password of a subclass of str, but only where the server asks for SCRAM or MD5.
#
# One would guess: a member of a StrEnum, or a str of a class that masks its repr, is a str, and a password that connects on one
# server connects on all; what is of a wrong type is a TypeError that names the argument.
# What happens: with `trust` and with `password` it connects, so a developer's own server never shows it. With `scram-sha-256`,
# the default of a server since PostgreSQL 14, and with `md5` it is an InternalClientError, "unexpected error while performing
# authentication: Expected str, got Marked". `str(password)` helps.
# Who meets it: whoever keeps secrets in a str of their own, so that no log shows them, and deploys from a trusting server to one
# that asks for a password.
# Source: asyncpg's protocol/scram.pyx and coreproto.pyx, compiled by Cython, where `str password` means exactly str. Seen with
# asyncpg 0.32.0 and PostgreSQL 16.2, which the package pgserver brings, on Linux.
set -euo pipefail

folder=$(mktemp -d)
chmod 755 "$folder"
trap 'rm -rf "$folder"' EXIT
cat > "$folder/look.py" <<'PYTHON'
import asyncio
import time
from importlib.metadata import version
from pathlib import Path

import asyncpg
import pgserver


class Marked(str):
    """Text that is known to be a secret."""


async def outcome(password):
    try:
        connection = await asyncpg.connect(host=str(folder), user="reader", database="postgres", password=password)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    await connection.close()
    return "connected"


folder = Path("data").absolute()
server = pgserver.get_server(folder, cleanup_mode="stop")
seen = {}
try:
    server.psql("SET password_encryption = 'scram-sha-256'; CREATE ROLE reader LOGIN PASSWORD 'word';")
    for method in ("trust", "password", "scram-sha-256", "md5"):
        (folder / "pg_hba.conf").write_text(f"local all reader {method}\nlocal all all trust\n")
        server.psql("SELECT pg_reload_conf();")
        time.sleep(1)
        seen[method] = [asyncio.run(outcome(password)) for password in ("word", Marked("word"), str(Marked("word")))]
        print(f"asyncpg {version('asyncpg')}, {method}: str, {seen[method][0]}; subclass, {seen[method][1]}")
finally:
    server.cleanup()
assert all((plain, again) == ("connected", "connected") for plain, _, again in seen.values())
assert seen["trust"][1] == seen["password"][1] == "connected", "that has changed"
assert all("Expected str, got Marked" in seen[method][1] for method in ("scram-sha-256", "md5")), "that has changed"
PYTHON
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check asyncpg==0.32.0 pgserver==0.1.4
(cd "$folder" && XDG_RUNTIME_DIR="$folder" venv/bin/python look.py)
echo 'as described'
