#!/usr/bin/env bash
# One Python float becomes three different values of a numeric column of PostgreSQL, by the driver that sends it.
#
# One would guess: `numeric` is exact, so a time such as 1700000000.123456 is one key whichever program stores it, ON CONFLICT
# notices what is there already, and `WHERE at = ...` finds it.
# What happens: asyncpg sends every digit of the binary fraction (1700000000.12345600128...). psycopg 3 sends a double, which
# PostgreSQL casts to numeric with 15 digits: 1700000000.12346, so the time moves by 4 microseconds. psycopg2, like COPY, sends the
# text that Python prints. Three programs store one event three times; asyncpg finds its own row alone, and psycopg 3, whose
# comparison casts the column to double, all but its own. As `Decimal(str(value))` it is one key for all of them.
# Who meets it: whoever stores `time.time()`, or JSON numbers with microseconds, in a numeric column and changes the driver, or fills
# a table with two: seconds since 1970 with six decimals have 16 digits. Tests with half a second do not show it.
# Source: asyncpg 0.32.0, pgproto/codecs/numeric.pyx, which makes a Decimal of the float; psycopg 3.3.9, types/numeric.py,
# `FloatDumper` (float8); PostgreSQL 16.2, utils/adt/numeric.c, `float8_numeric` (DBL_DIG). The page of asyncpg about types has
# Decimal alone for numeric. With pg8000 the lost digits are known (tlocke/pg8000, issue 15).
set -euo pipefail

folder=$(mktemp -d)
chmod 755 "$folder"
trap 'rm -rf "$folder"' EXIT
cat > "$folder/look.py" <<'PYTHON'
import asyncio
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path

import asyncpg
import pgserver
import psycopg
import psycopg2

INSERT = "INSERT INTO {} (at, sent_by) VALUES ({}, '{}') ON CONFLICT (at) DO NOTHING"
FIND = "SELECT sent_by FROM {} WHERE at = {} ORDER BY sent_by"
MOMENT = 1700000000.123456


async def with_asyncpg(statement, value):
    connection = await asyncpg.connect(host=str(data), user="postgres", database="postgres")
    try:
        return [row[0] for row in await connection.fetch(statement, value)]
    finally:
        await connection.close()


def with_psycopg(driver, statement, value):
    with driver.connect(host=str(data), user="postgres", dbname="postgres") as connection, connection.cursor() as cursor:
        cursor.execute(statement, (value,))
        return [row[0] for row in cursor.fetchall()] if cursor.description else []


DRIVERS = {
    "asyncpg": lambda statement, value: asyncio.run(with_asyncpg(statement.replace("%s", "$1"), value)),
    "psycopg": lambda statement, value: with_psycopg(psycopg, statement, value),
    "psycopg2": lambda statement, value: with_psycopg(psycopg2, statement, value),
}


def stored(table, value):
    """Let each driver store the same event, and return the rows, and what each driver finds."""
    server.psql(f"CREATE TABLE {table} (at numeric PRIMARY KEY, sent_by text);")
    for name, run in DRIVERS.items():
        run(INSERT.format(table, "%s", name), value)
    rows = DRIVERS["psycopg2"](f"SELECT sent_by || ' ' || at FROM {table} WHERE at > %s ORDER BY 1", 0)
    return rows, {name: run(FIND.format(table, "%s"), value) for name, run in DRIVERS.items()}


data = Path("data").absolute()
server = pgserver.get_server(data, cleanup_mode="stop")
try:
    print(", ".join(f"{name} {version(name.replace('2', '2-binary'))}" for name in DRIVERS), server.psql("SHOW server_version;").split()[2])
    rows, found = stored("floats", MOMENT)
    print(f"{MOMENT!r}: {len(rows)} rows: {', '.join(rows)}; found: {found}")
    decimal_rows, decimal_found = stored("decimals", Decimal(str(MOMENT)))
    print(f"as Decimal(str()): {len(decimal_rows)} row: {decimal_rows[0]}; found: {decimal_found}")
    half_rows, _ = stored("halves", 1700000000.5)
    print(f"1700000000.5: {len(half_rows)} row: {half_rows[0]}")
finally:
    server.cleanup()
expected = ["asyncpg 1700000000.12345600128173828125", "psycopg 1700000000.12346", "psycopg2 1700000000.123456"]
assert rows == expected, "that has changed"
assert found == {"asyncpg": ["asyncpg"], "psycopg": ["asyncpg", "psycopg2"], "psycopg2": ["psycopg2"]}, "that has changed"
assert len(decimal_rows) == len(half_rows) == 1, "that has changed"
assert all(names == ["asyncpg"] for names in decimal_found.values()), "that has changed"
PYTHON
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check asyncpg==0.32.0 'psycopg[binary]==3.3.9' psycopg2-binary==2.9.11 pgserver==0.1.4
(cd "$folder" && XDG_RUNTIME_DIR="$folder" venv/bin/python look.py)
echo 'as described'
