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
    drawn = [re.sub("<text[^>]*>[^<]*", "", picture).replace("http://www.w3.org/2000/svg", "") for picture in pictures]
    assert not [picture for picture in drawn if re.search(r"//|url\(|href|@import|@font-face|<script", picture)]


def test_a_line_breaks_at_the_edge_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture has what a terminal shows: it breaks a long line at its edge, and knows no words."""
    monkeypatch.syspath_prepend(DOCS)
    import terminal  # noqa: PLC0415 - the documentation is not installed

    picture = terminal.draw("cfevents", "word " * 17 + "\n", 80, "completion-80")
    rows = [unescape(row) for row in re.findall("<text[^>]*>([^<\\n]+)", picture)]
    assert rows[-2:] == ["word " * 16, "word "]


def test_a_second_run_gives_the_same_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was measured is replaced: a slower machine gives the same picture."""
    monkeypatch.syspath_prepend(DOCS)
    import terminal  # noqa: PLC0415 - the documentation is not installed

    fast, slow = "1 ms typically, at most 2 ms, for 100 events\n", "12 ms typically, at most 90 ms, for 1 event\n"
    assert terminal.draw("cfevents", fast, 80, "doctor-80") == terminal.draw("cfevents", slow, 80, "doctor-80")


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
