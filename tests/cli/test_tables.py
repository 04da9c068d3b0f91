"""Tables: rows as they come, colours that can be read, and text that is shown as it is."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from click.testing import Result
from rich.color import Color
from support.terminal import on_terminal

from cfevents.cli.console.output import Colour, Style, View
from cfevents.cli.console.views import event_colour, writer

if TYPE_CHECKING:
    import subprocess

    from cfevents.testing import Simulator

Invoke = Callable[..., Result]
Run = Callable[..., "subprocess.CompletedProcess[str]"]

PAIRS: View[tuple[str, str]] = View(
    lambda pair: {"first": pair[0]}, ("FIRST", "LAST"), lambda pair: [pair], (Colour.NONE, Colour.NONE)
)


@pytest.mark.parametrize("colour", [colour for colour in Colour if colour])
def test_each_colour_can_be_read_on_black_and_on_white(colour: Colour) -> None:
    def light(part: int) -> float:
        share = part / 255
        return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4

    red, green, blue = map(light, Color.parse(colour).get_truecolor())
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    on_white, on_black = 1.05 / (luminance + 0.05), (luminance + 0.05) / 0.05
    assert min(on_white, on_black) > 3.5  # the accessibility guidelines ask for 3 at least


@pytest.mark.parametrize(
    ("text", "colour"),
    [
        ("FinishUpgradeFailure", Colour.BAD),
        ("RekeyReset  tunnel_id=one", Colour.BAD),
        ("FinishUpgradeSuccess", Colour.GOOD),
        ("BlessSlotPending", Colour.NOTABLE),
        ("Reconcile  (late)", Colour.NOTABLE),
        ("Reconcile  note=(late)", Colour.NONE),
        ("Novelty", Colour.UNKNOWN),
        ("Init", Colour.NONE),
    ],
)
def test_an_event_has_the_colour_of_what_it_means(text: str, colour: Colour) -> None:
    assert event_colour(text) == colour


def test_colours_on_a_terminal_unless_unwanted(run: Run) -> None:
    """There are colours on a terminal, and none where they are not wanted or not known."""
    assert "\x1b[38;5;31mInit" in on_terminal("kinds", environment={"NO_COLOR": ""})
    for unwanted in ({"NO_COLOR": "1"}, {"NO_COLOR": "", "TERM": "dumb"}):
        assert "\x1b" not in on_terminal("kinds", environment=unwanted)


def test_no_colours_in_a_pipe(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """There are no colours in a pipe, whatever the environment says."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    table = run("kinds", "--format", "table")
    assert (table.returncode, table.stderr) == (0, "")
    assert "Init  " in table.stdout
    assert "\x1b" not in table.stdout


def test_rows_are_printed_as_they_come_and_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    """A row is printed when it comes, aligned with those before it."""
    write = writer(PAIRS, Style("table"))
    write([])
    assert capsys.readouterr().out == "FIRST  LAST\n"
    write([("one", "1")])
    assert capsys.readouterr().out == "one    1\n"
    write([("seventeen", "2"), ("二", "3"), ("", "")])
    assert capsys.readouterr().out == "seventeen  2\n二     3\n\n"


@pytest.mark.parametrize("width", [36, 40, 41, 60])
def test_an_id_is_never_broken(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    """A word that does not fit into its column begins further left, so that it can be copied."""
    monkeypatch.setattr("cfevents.cli.console.table.terminal_width", lambda: width)
    word = "id=f02635b7-a29b-4cdf-b15e-f49cf93"
    writer(PAIRS, Style("table"))([("Init", f"some words {word} more"), ("Leave", word)])
    lines = capsys.readouterr().out.splitlines()
    assert sum(word in line for line in lines) == 2
    assert max(map(len, lines)) <= width


def test_what_looks_like_markup_is_printed_as_it_is(account: "Simulator", invoke: Invoke) -> None:
    account.add("site-2", {"e": {"k": "[red]Init[/red] :warning:", "why": "[/]"}, "t": 1767225600, "n": 0})
    table = invoke("latest", "site-2", "--format", "table").stdout
    assert "  [red]Init[/red] :warning:  why=[/]\n" in table


def test_on_a_terminal_too_no_text_of_the_api_can_control_it(
    account: "Simulator", monkeypatch: pytest.MonkeyPatch
) -> None:
    account.add("site-2", {"e": {"k": "[bold]\x1b[2J\x9b2J\x07 " * 9, "why": "\r\n\u202e"}, "t": 1767225600, "n": 0})
    shown = on_terminal("latest", "site-2")
    assert "[bold]\N{REPLACEMENT CHARACTER}[2J" in shown
    assert all(line.isprintable() for line in shown.splitlines())
