#!/usr/bin/env bash
# The vendor's SDK sends no token where an email is set too.
#
# One would guess: with a token in the environment the SDK uses it, since tokens are the preferred way, and an email alone is no
# way to sign in at all.
# What happens: the email wins. With CLOUDFLARE_API_TOKEN and CLOUDFLARE_EMAIL each request has X-Auth-Email as its only
# credential, and the API refuses it; nothing is said when the client is made. With the key set as well, email and key are sent.
# Who meets it: who moves from key to token, removes CLOUDFLARE_API_KEY, adds the token, and leaves the email where it is; and
# who compares two programs that read the same variables and sign in differently.
# Source: cloudflare 5.9.0, _client.py, `auth_headers` and `_validate_headers`.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'cloudflare==5.9.0' 'httpx==0.28.1'
cat > "$folder/look.py" <<'PYTHON'
import os
from importlib.metadata import version

import httpx
from cloudflare import Cloudflare

VALUES = {"CLOUDFLARE_API_TOKEN": "token", "CLOUDFLARE_EMAIL": "ops@example.com", "CLOUDFLARE_API_KEY": "key"}
CREDENTIALS = ("authorization", "x-auth-email", "x-auth-key")


def sent(*names: str) -> list[str]:
    for name in VALUES:
        os.environ.pop(name, None)
    os.environ.update({name: VALUES[name] for name in names})
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, json={"success": True, "errors": [], "messages": [], "result": {"id": "me"}})

    Cloudflare(http_client=httpx.Client(transport=httpx.MockTransport(answer))).user.get()
    return [name for name in CREDENTIALS if name in requests[0].headers]


print(f"cloudflare {version('cloudflare')}")
for names, expected in {
    ("CLOUDFLARE_API_TOKEN",): ["authorization"],
    ("CLOUDFLARE_API_TOKEN", "CLOUDFLARE_EMAIL"): ["x-auth-email"],
    ("CLOUDFLARE_API_TOKEN", "CLOUDFLARE_API_KEY"): ["x-auth-key"],
    ("CLOUDFLARE_API_TOKEN", "CLOUDFLARE_EMAIL", "CLOUDFLARE_API_KEY"): ["x-auth-email", "x-auth-key"],
}.items():
    headers = sent(*names)
    print(f"{' and '.join(names)}: {' and '.join(headers)}")
    assert headers == expected, "that has changed"
PYTHON
"$folder/venv/bin/python" "$folder/look.py"
echo 'as described'
