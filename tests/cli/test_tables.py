"""Tables: rows as they come, colours that can be read, and text that is shown as it is."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from click.testing import Result
from rich.color import Color
from support.terminal import on_terminal

from cfevents.cli.console import styles
from cfevents.cli.console.output import View
from cfevents.cli.console.writer import writer

if TYPE_CHECKING:
    import subprocess

    from cfevents.testing import Simulator

Invoke = Callable[..., Result]
Run = Callable[..., "subprocess.CompletedProcess[str]"]

PAIRS: View[tuple[str, str]] = View(lambda pair: {"first": pair[0]}, ("FIRST", "LAST"), lambda pair: [pair])


@pytest.mark.parametrize("name", [name for name in vars(styles) if name.isupper() and name[0] != "_"])
def test_each_colour_can_be_read_on_black_and_on_white(name: str) -> None:
    def light(part: int) -> float:
        share = part / 255
        return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4

    red, green, blue = map(light, Color.parse(getattr(styles, name)).get_truecolor())
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    on_white, on_black = 1.05 / (luminance + 0.05), (luminance + 0.05) / 0.05
    assert min(on_white, on_black) > 3.5  # the accessibility guidelines ask for 3 at least


@pytest.mark.parametrize(
    ("told", "colour"),
    [
        ("FinishUpgradeFailure", styles.BAD),
        ("RekeyReset  tunnel_id=one", styles.BAD),
        ("FinishUpgradeSuccess", styles.GOOD),
        ("BlessSlotPending", styles.NOTABLE),
        ("Reconcile  (late)", styles.NOTABLE),
        ("Reconcile  note=(late)", ""),
        ("Novelty", styles.UNKNOWN),
        ("Init", ""),
    ],
)
def test_an_event_has_the_colour_of_what_it_means(told: str, colour: str) -> None:
    assert styles.of_event(told) == colour


def test_there_are_colours_on_a_terminal_and_none_where_they_are_not_wanted_or_not_known(run: Run) -> None:
    assert "\x1b[38;5;31mInit" in on_terminal("kinds", environment={"NO_COLOR": ""})
    for unwanted in ({"NO_COLOR": "1"}, {"NO_COLOR": "", "TERM": "dumb"}):
        assert "\x1b" not in on_terminal("kinds", environment=unwanted)


def test_there_are_no_colours_in_a_pipe_whatever_the_environment_says(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    table = run("kinds", "--format", "table")
    assert (table.returncode, table.stderr) == (0, "")
    assert "Init  " in table.stdout
    assert "\x1b" not in table.stdout


def test_a_row_is_printed_when_it_comes_and_stands_below_those_before_it(capsys: pytest.CaptureFixture[str]) -> None:
    write = writer(PAIRS, "table")
    write([])
    assert capsys.readouterr().out == "FIRST  LAST\n"
    write([("one", "1")])
    assert capsys.readouterr().out == "one    1\n"
    write([("seventeen", "2"), ("二", "3"), ("", "")])
    assert capsys.readouterr().out == "seventeen  2\n二     3\n\n"


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
