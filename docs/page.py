"""Take pictures of a report's page at three widths, with a Chromium, of the simulated account at a fixed moment."""

import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path

from support.chromium import chromium
from terminal import LAUNCHER

FOLDER = Path(__file__).parent / "_static" / "page"
SHOWN = {400: False, 800: True, 1400: False}
"""The widths in pixels, and whether the picture is dark."""

_HEIGHT = 1200
_COMMAND = "report --simulate --all --since 7d --details --format html --output"


async def main() -> None:
    """Take all pictures anew."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "report.html")
        await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", LAUNCHER, *_COMMAND.split(), str(file)], check=True
        )
        async with chromium() as page:
            await page.open(file.as_uri())
            for width, dark in SHOWN.items():
                picture = await page.look(width, dark=dark, height=_HEIGHT)
                (FOLDER / f"page-{width}.png").write_bytes(picture)


if __name__ == "__main__":
    asyncio.run(main())
