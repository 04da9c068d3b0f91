#!/usr/bin/env bash
# An empty Arrow table becomes another type in pandas than a full one, and the two together lose the category.
#
# One would guess: a dictionary column of text has a schema, so pandas makes the same type of it whether there are rows or not:
# `category` of `str`.
# What happens: without rows the categories are of type `object`, with rows of type `str`. The types are not equal, so
# `pandas.concat` of an hour without events and an hour with some is an `object` column: memory grows several times, and
# `.cat` is gone. The same column without a dictionary is `str` both times.
# Who meets it: who reads partitioned or hourly data as Arrow dictionaries (Parquet files keep them), some parts of it empty.
# Source: pandas 3.1.1 with pyarrow 26.0.1, `Table.to_pandas`.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'pandas==3.1.1' 'pyarrow==26.0.1'
cat > "$folder/look.py" <<'PYTHON'
import pandas
import pyarrow

print(f"pandas {pandas.__version__}, pyarrow {pyarrow.__version__}")
ENCODED, PLAIN = pyarrow.dictionary(pyarrow.int32(), pyarrow.string()), pyarrow.string()


def column(rows: int, kind: pyarrow.DataType) -> pandas.Series:
    return pyarrow.table({"kind": pyarrow.array(["Init"] * rows, kind)}).to_pandas()["kind"]


for rows in (0, 1):
    print(f"{rows} rows: categories of {column(rows, ENCODED).cat.categories.dtype}; plain {column(rows, PLAIN).dtype}")
together = {rows: pandas.concat([column(rows, ENCODED), column(1, ENCODED)]).dtype for rows in (0, 1)}
print(f"joined to a full one: a full one is {together[1]}, an empty one {together[0]}")
assert [str(column(rows, ENCODED).cat.categories.dtype) for rows in (0, 1)] == ["object", "str"], "that has changed"
assert [str(column(rows, PLAIN).dtype) for rows in (0, 1)] == ["str", "str"], "that has changed"
assert (str(together[0]), str(together[1])) == ("object", "category"), "that has changed"
PYTHON
"$folder/venv/bin/python" "$folder/look.py"
echo 'as described'
