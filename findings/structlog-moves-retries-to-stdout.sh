#!/usr/bin/env bash
# Where structlog can be imported, each retry of stamina is a line on stdout, in the middle of a program's data.
#
# One would guess: a library's retries are logged by `logging`, as stamina does by default, and reach stderr or nothing; another
# installed package changes nothing in a program that never imports it.
# What happens: stamina looks for structlog at the first retry, and then logs by it instead of `logging`. structlog that nobody
# configured prints on stdout. A program whose output is piped, as lines of JSON say, gets lines that are none, on the day on
# which something fails.
# Who meets it: every command line that writes data on stdout and uses a library that retries with stamina, in an environment in
# which some other package has brought structlog along.
# Source: stamina 26.1.0, instrumentation, `get_default_hooks`; structlog 26.1.0, `PrintLoggerFactory`.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/program.py" <<'PYTHON'
import json

import stamina

attempts = []


@stamina.retry(on=OSError, attempts=2, wait_initial=0, wait_jitter=0)
def read() -> dict[str, int]:
    attempts.append(1)
    if len(attempts) == 1:
        raise OSError("busy")
    return {"attempts": len(attempts)}


print(json.dumps(read()))
PYTHON
cat > "$folder/look.py" <<'PYTHON'
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version


def installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"


lines = subprocess.run([sys.executable, "program.py"], capture_output=True, text=True, check=True).stdout.splitlines()
print(f"stamina {installed('stamina')}, structlog {installed('structlog')}: {len(lines)} lines on stdout")
for line in lines:
    print(f"    {line[:100]}")
assert len(lines) == int(sys.argv[1]), "that has changed"
assert lines[-1] == '{"attempts": 2}'
PYTHON
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'stamina==26.1.0'
(cd "$folder" && venv/bin/python look.py 1)
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'structlog==26.1.0'
(cd "$folder" && venv/bin/python look.py 2)
echo 'as described'
