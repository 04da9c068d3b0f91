#!/usr/bin/env bash
# aiohttp sends `proxy_headers` to a proxy with CONNECT alone: for a plain http address the proxy gets none of them.
#
# One would guess: `session.get(url, proxy=..., proxy_headers={"Proxy-Authorization": ...})` logs in at the proxy, whatever the
# address. aiohttp says so itself: `proxy_auth=` is deprecated, and its warning names `proxy_headers=` as what to pass instead.
# What happens: for https the header goes with CONNECT, for http with nothing, and the proxy answers 407. `proxy_auth=`, and a
# user in the proxy's URL, work for both.
# Who meets it: everybody who follows the warning, or keeps the password out of the proxy's URL, and has one plain http address.
# Source: aiohttp's connector.py, `_update_proxy_auth_header_and_build_proxy_req`, 3.14.5.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/look.py" <<'PYTHON'
import asyncio
import warnings

import aiohttp

warnings.simplefilter("ignore", DeprecationWarning)
LOGIN = aiohttp.encode_basic_auth("user", "pass") if hasattr(aiohttp, "encode_basic_auth") else aiohttp.BasicAuth("user", "pass").encode()


async def main():
    heads = []

    async def take(reader, writer):
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 407 Login\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    proxy = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    seen = {}
    async with server, aiohttp.ClientSession() as session:
        for scheme in "https", "http":
            for name, value in {"proxy_headers": {"Proxy-Authorization": LOGIN}, "proxy_auth": aiohttp.BasicAuth("user", "pass")}.items():
                try:
                    async with session.get(f"{scheme}://host.invalid/", proxy=proxy, **{name: value}):
                        pass
                except aiohttp.ClientError:
                    pass
                seen[name, scheme] = "proxy-authorization: basic" in heads[-1].lower()
                print(f"aiohttp {aiohttp.__version__}: {scheme}, {name}: logs in: {seen[name, scheme]}")
    assert seen["proxy_headers", "https"] and seen["proxy_auth", "https"] and seen["proxy_auth", "http"]
    assert not seen["proxy_headers", "http"], "that has changed"


asyncio.run(main())
PYTHON
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "aiohttp==3.14.5"
"$folder/venv/bin/python" "$folder/look.py"
echo 'as described'
