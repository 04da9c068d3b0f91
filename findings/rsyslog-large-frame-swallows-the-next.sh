#!/usr/bin/env bash
# rsyslog that is told to take messages of 1 MB misreads everything behind a message of 250 kB in the same TCP connection.
#
# One would guess: `maxMessageSize="1m"` is the limit of a message. One that is above a limit is cut or dropped, and its length,
# which octet counting (RFC 6587) sends ahead, says where the next one begins.
# What happens: imtcp has a second limit, `maxFrameSize`, 200,000 octets by default. A longer frame lets it switch to the other
# framing, where a line end ends a message, for the rest of that connection. The messages behind it are not recognized any more:
# their lengths and headers are read as text, and without a line end all of them become one message.
# Who meets it: every sender of JSON with payloads to an rsyslog whose message size was raised for just that reason. `maxFrameSize`
# has to be raised as well.
# Source: rsyslog 8.2302.0 (Debian 12), runtime/tcps_sess.c, "frame too large: %d, change to octet stuffing"; imtcp, MaxFrameSize.
set -euo pipefail

folder=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT
cat > "$folder/send.py" <<'PYTHON'
import socket
import sys
import time

give_up_at = time.monotonic() + 10
while True:
    try:
        connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
        break
    except ConnectionRefusedError:
        assert time.monotonic() < give_up_at
        time.sleep(0.05)
for text in ["first", "x" * 250_000, "third", "fourth"]:
    message = f"<14>1 - host app - - - {text}".encode()
    connection.sendall(b"%d %b" % (len(message), message))
connection.shutdown(socket.SHUT_WR)
assert connection.recv(1) == b""
PYTHON
look() {
    port=$("${PYTHON:-python3}" -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
    cat > "$folder/rsyslog.conf" <<RSYSLOG
global(maxMessageSize="1m")
module(load="imtcp" $1)
template(name="text" type="string" string="%msg%\n")
ruleset(name="r" queue.type="Direct") { action(type="omfile" file="$folder/out" template="text") }
input(type="imtcp" address="127.0.0.1" port="$port" ruleset="r")
RSYSLOG
    rm -f "$folder/out"
    /usr/sbin/rsyslogd -n -iNONE -f "$folder/rsyslog.conf" 2> /dev/null &
    server=$!
    "${PYTHON:-python3}" "$folder/send.py" "$port"
    kill "$server"
    wait "$server" || true
    echo "imtcp ${1:-as it comes}: $(grep -cx -e first -e third -e fourth "$folder/out") of 3 short messages"
}

/usr/sbin/rsyslogd -v | sed -n 1p
look ''
test "$(grep -cx -e first -e third -e fourth "$folder/out")" = 1 || { echo 'that has changed' >&2; exit 1; }
look 'maxFrameSize="1000000"'
test "$(grep -cx -e first -e third -e fourth "$folder/out")" = 3
echo 'as described'
