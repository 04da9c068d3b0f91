#!/usr/bin/env bash
# DuckDB 2 reads a field of JSON as NULL in all rows, where the rows or files that it looks at first have null there.
#
# One would guess: where the first 20,480 rows do not tell what a field is, its column is JSON, as until 1.5. Or a later row that
# does not fit is an error that recommends a larger sample_size, as it is where a field is missing from these rows.
# What happens: the column gets the type "NULL", and each later object, text or number in it becomes NULL, without an error or a
# warning, also in a table that is made of it. The same happens within objects and arrays. Of many files, 32 are looked at, however
# short they are: after a month and a day without a value, all later ones are gone. `sample_size = -1` does not help there, nor does
# `union_by_name = true` with rows: it takes `maximum_sample_files = -1` as well, or the names and types of all `columns`.
# Who meets it: whoever queries lines of logs that write an optional field as null: payloads that few events have, rare errors.
# Source: duckdb 2.0.1 beside 1.5.6: extension/json/json_functions/json_structure.cpp, `StructureToType`, which returns SQLNULL
# instead of JSON since a change for Parquet (commit 07015f8). In issue 17126 of duckdb/duckdb a maintainer says why the JSON reader
# should never do so; that numbers and fields beyond the sample get lost is issues 25786 and 25826.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/look.py" <<'PYTHON'
import json
import sys
from pathlib import Path

import duckdb

QUIET = {"id": "1.0", "event": None, "extra": {"reason": None}, "tags": [None]}
LOUD = {"id": "2.0", "event": {"kind": "Upgrade"}, "extra": {"reason": "disk"}, "tags": [7.5]}
database = duckdb.connect()


def values(source):
    """Return how many values are read of each of the three fields, and the type of the first."""
    query = f"SELECT count(*), count(event), count(extra.reason), count(tags[1]), any_value(typeof(event)) FROM {source}"
    return database.execute(query).fetchone()


def written(path, *records):
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


written(Path("rows.ndjson"), *[QUIET] * 20_480, LOUD)
for day in range(33):
    written(Path(f"days/{day:02}.ndjson"), LOUD if day == 32 else QUIET)
seen = {}
LOST = "'rows.ndjson'", "'days/*.ndjson'", "read_json('days/*.ndjson', sample_size = -1)", "read_json('rows.ndjson', union_by_name = true)"
WHOLE = [f"read_json('{path}', sample_size = -1, maximum_sample_files = -1)" for path in ("rows.ndjson", "days/*.ndjson")]
for name in (*LOST, *WHOLE):
    seen[name] = rows, *counts, kind = values(name)
    print(f"duckdb {duckdb.__version__}, {name}: of {rows:,} rows the values {counts}, event is of type {kind}")
database.execute("CREATE TABLE kept AS SELECT * FROM 'rows.ndjson'")
kept = values("kept")
expected = 0 if sys.argv[1] == "lost" else 1
assert kept[1:4] == (expected,) * 3, "that has changed"
assert all(seen[name][1:4] == (expected,) * 3 for name in LOST), "that has changed"
assert all(seen[name][1:4] == (1, 1, 1) for name in WHOLE), "that has changed"
# The control: what is missing from these rows is an error.
written(Path("missing.ndjson"), *[{"id": "1.0"}] * 20_480, LOUD)
try:
    database.execute("SELECT * FROM 'missing.ndjson'").fetchall()
    raise SystemExit("a missing field: that has changed")
except duckdb.InvalidInputException as error:
    assert "has unknown key" in str(error) and "sample_size" in str(error), "that has changed"
    print(f"duckdb {duckdb.__version__}, the field is missing at first: an error")
PYTHON
look() {
  "${PYTHON:-python3}" -m venv --clear "$folder/venv"
  "$folder/venv/bin/pip" install --quiet --disable-pip-version-check "duckdb==$1"
  (cd "$folder" && venv/bin/python look.py "$2")
}
look 1.5.6 kept
look 2.0.1 lost
echo 'as described'
