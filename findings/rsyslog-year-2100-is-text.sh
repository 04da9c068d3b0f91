#!/usr/bin/env bash
# rsyslog takes the whole header of a message for text where its TIMESTAMP is in the year 2100 or later.
#
# One would guess: RFC 5424 gives the year four digits, so a receiver of that format reads 2106 as it reads 2026; or it says
# that it cannot.
# What happens: the message gets the time of its arrival as its time and the sender's host, but no APP-NAME, MSGID or structured
# data; `%msg%` begins with the timestamp and has the header in it. So a rule that looks for the application does not match, a
# file of JSON lines gets a line that is no JSON, and rsyslog logs nothing. The years 1, 1969, 2038 and 2099 are read.
# Who meets it: whoever sends the times of devices whose clock was never set, or a "never": all ones in 32 bits are
# 2106-02-07T06:28:15Z, and the last moment of a datetime is in 9999. Send `-`, which RFC 5424 has for an unknown time.
# Source: rsyslog's runtime/datetime.c, `ParseTIMESTAMP3339`, which refuses `year >= 2100`; the next parser, that of RFC 3164,
# gets the message then. Seen with rsyslog 8.2302.0 (Debian 12); syslog-ng 3.38.1 reads all these years.
set -euo pipefail

folder=$(mktemp -d)
trap '[ -z "${server:-}" ] || kill "$server"; rm -rf "$folder"' EXIT
cd "$folder"
packages=(rsyslog libestr0 libfastjson4)
apt-get download -q "${packages[@]}" > apt.log 2>&1 || { apt-get update -qq && apt-get download -q "${packages[@]}" > apt.log 2>&1; }
for package in ./*.deb; do dpkg -x "$package" root; done
libraries=$(dirname "$folder"/root/usr/lib/*/rsyslog)
cat > rsyslog.conf <<CONFIGURATION
global(workDirectory="$folder")
module(load="imtcp")
template(name="fields" type="string" string="%timereported:::date-rfc3339%|%app-name%|%msgid%|%structured-data%|%msg%\n")
ruleset(name="all") { action(type="omfile" file="$folder/out" template="fields") }
input(type="imtcp" port="0" listenPortFileName="$folder/port" address="127.0.0.1" ruleset="all")
CONFIGURATION
rsyslogd() { LD_LIBRARY_PATH=$libraries exec root/usr/sbin/rsyslogd -M "$libraries/rsyslog" "$@"; }
(rsyslogd -v) | head -n 1
rsyslogd -n -iNONE -f "$folder/rsyslog.conf" > log 2>&1 &
server=$!
cat > look.py <<'PYTHON'
import socket
import time
from pathlib import Path

YEARS = {"2026-11-30": True, "2038-01-20": True, "2099-12-31": True, "2100-01-01": False, "2106-02-07": False, "9999-12-31": False}


def wait_for(path, lines):
    deadline = time.monotonic() + 20
    while not path.exists() or path.read_text().count("\n") < lines:
        assert time.monotonic() < deadline, f"no {path}"
        time.sleep(0.05)
        if path.name == "port" and path.exists() and path.read_text():
            break
    return path.read_text()


with socket.create_connection(("127.0.0.1", int(wait_for(Path("port"), 1)))) as connection:
    for day in YEARS:
        message = f'<134>1 {day}T06:28:15Z device app - Kind [data@32473 id="7"] {{"day": "{day}"}}'.encode()
        connection.sendall(b"%d %b" % (len(message), message))
for (day, is_read), line in zip(YEARS.items(), wait_for(Path("out"), len(YEARS)).splitlines(), strict=True):
    at, app, kind, data, text = line.split("|")
    print(f"{day}: app-name {app!r}, msgid {kind!r}, structured data {data!r}, msg {text!r}")
    if is_read:
        assert (at[:10], app, kind, data, text) == (day, "app", "Kind", '[data@32473 id="7"]', f'{{"day": "{day}"}}'), "that has changed"
    else:
        assert (app, kind, data) == ("", "-", "-"), "that has changed"
        assert text.startswith(f"{day}T06:28:15Z device app"), "that has changed"
        assert at[:10] != day, "that has changed"
log = Path("log").read_text()
print(f"rsyslog's own log: {log!r}")
assert "time" not in log, "that has changed"
PYTHON
"${PYTHON:-python3}" look.py
echo 'as described'
