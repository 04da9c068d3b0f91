#!/usr/bin/env bash
# A process that is refused a lock by filelock below 3.30 empties the lock file of the process that holds it.
#
# One would guess: `FileLock(path).acquire(timeout=0)` that raises Timeout has changed nothing. The holder may keep a line in
# the lock file that says who it is, as daemons do with their process id.
# What happens: the file is opened with O_TRUNC before the lock is tried, so the refused process has emptied it. The holder
# goes on with its lock, and whoever looks for the owner finds nothing. From 3.30 on the text stays.
# Who meets it: everybody who moves a lock file with an owner's line from fcntl to filelock, with a lower bound such as
# `filelock>=3.16`, which pip fulfils with what is there.
# Source: filelock's _unix.py, `open_flags`, 3.29.0 beside 3.30.0. Seen on Linux with 3.16.1, 3.20.0, 3.29.0 (emptied), 3.30.0
# and 4.3.1 (kept).
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/look.py" <<'PYTHON'
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock

REFUSED = "import filelock\ntry: filelock.FileLock('data.lock').acquire(timeout=0)\nexcept filelock.Timeout: print('refused')"
path = Path("data.lock")
with FileLock(path):
    path.write_text("process 42 writes data.ndjson\n")
    answer = subprocess.run([sys.executable, "-c", REFUSED], capture_output=True, text=True).stdout.strip()
    print(f"filelock {version('filelock')}: the second process is {answer}, the file holds {path.read_text()!r}")
    assert answer == "refused"
    assert path.read_text() == sys.argv[1].replace("\\n", "\n"), "that has changed"
PYTHON
look() {
  "${PYTHON:-python3}" -m venv --clear "$folder/venv"
  "$folder/venv/bin/pip" install --quiet --disable-pip-version-check "filelock==$1"
  (cd "$folder" && venv/bin/python look.py "$2")
}
look 3.29.0 ''
look 3.30.0 'process 42 writes data.ndjson\n'
echo 'as described'
