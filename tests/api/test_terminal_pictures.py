"""The pictures of the commands on terminals, which a session of nox takes."""

import re
from html import unescape
from pathlib import Path

import pytest

from cfevents.cli.app import app

pytest.importorskip("termios", reason="no terminals here")
DOCS = Path(__file__).parents[2] / "docs"
FOLDER = DOCS / "_static" / "terminal"


def test_each_command_has_its_pictures_on_the_page() -> None:
    page = (DOCS / "terminal.md").read_text(encoding="utf-8")
    shown = re.findall(r"\((_static/terminal/[\w-]+\.svg)\)", page)
    assert [Path(path).stem for path in shown] == [
        f"{name}-{width}" for name in app.commands for width in (80, 120, 200)
    ]
    assert all((DOCS / path).is_file() for path in shown)
    assert len(shown) == len(list(FOLDER.iterdir()))


def test_pictures_are_small_and_load_nothing() -> None:
    """No font comes from the internet, and the pages stay quick."""
    pictures = [path.read_text(encoding="utf-8") for path in FOLDER.iterdir()]
    assert sum(map(len, pictures)) < 600_000
    assert not [picture for picture in pictures if "@font-face" in picture or "url(http" in picture]


@pytest.mark.parametrize("name", ["follow-80", "simulate-80"])
def test_a_picture_has_the_last_status_line_where_rows_go_on(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The status line of a picture is the last one, and no other line is lost."""
    monkeypatch.syspath_prepend(DOCS)
    import terminal  # noqa: PLC0415 - the documentation is not installed

    printed = "row 1\n\r1 event, next poll in 27s\x1b[0K\r\r\x1b[0K\rrow 2\n"
    picture = unescape(terminal.draw("cfevents", printed, 80, name)).replace("\xa0", " ")
    assert "row 1" in picture
    assert "row 2" in picture
    assert ("next poll in 30s" in picture) == (name == "follow-80")
