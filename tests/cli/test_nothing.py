"""Commands that have nothing to print: on a terminal they say so, in a pipe they print nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from cfevents.cli.commands import read
from cfevents.testing import Simulator

Invoke = Callable[..., Result]
WINDOW = ("--since", "2026-03-01T00:00:00Z", "--until", "2026-03-02T00:00:00Z")
SITE_1 = "site-1 (SIM1894260, Singapore office)"
BETWEEN = "between 2026-03-01 00:00:00 UTC and 2026-03-02 00:00:00 UTC"


@pytest.fixture
def on_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let stderr be taken for a terminal."""
    monkeypatch.setattr(read, "is_terminal", lambda _: True)


@pytest.mark.usefixtures("on_terminal")
@pytest.mark.parametrize(
    ("command", "text"),
    [
        (("list", "site-1", *WINDOW), f"no events of {SITE_1} {BETWEEN}; an earlier --since looks further back\n"),
        (
            ("list", "site-1", "site-1b", *WINDOW, "--tail", "5"),
            f"no events of {SITE_1}, site-1b (SIM2182791, Hamburg office 2) {BETWEEN}",
        ),
        (("list", "--all", *WINDOW), f"no events of all connectors {BETWEEN}"),
        (("list", "site-1", *WINDOW, "--kind", "init,re*"), f"no events of kind Init, re* of {SITE_1} {BETWEEN}"),
        (("list", "site-1", *WINDOW, "--exclude", "leave"), f"no events other than Leave of {SITE_1} {BETWEEN}"),
        (("list", "site-1", *WINDOW, "--tz", "Asia/Tokyo"), "between 2026-03-01 09:00:00+09 and 2026-03-02"),
        (("latest", "silent"), "no latest events of silent"),
    ],
)
def test_nothing_is_said_in_place_of_an_empty_table(
    account: Simulator, invoke: Invoke, command: tuple[str, ...], text: str
) -> None:
    """The line names connectors, window and kinds; --quiet hides it; CSV has its header all the same."""
    for name in ("silent", "site-1b"):
        account.add(name)
    result = invoke(*command, "--format", "table")
    assert (result.exit_code, result.stdout) == (0, "")
    assert text in result.stderr
    assert result.stderr.count("cfevents:") == 1
    quiet = invoke(*command, "--quiet", "--format", "csv")
    assert (quiet.exit_code, quiet.stdout.count("\n"), quiet.stderr) == (0, 1, "")


@pytest.mark.usefixtures("on_terminal")
def test_account_and_archive_without_connectors_say_so(
    serve: Callable[..., Simulator], invoke: Invoke, tmp_path: Path
) -> None:
    """An account without connectors may be another one, and an empty archive wants to be filled."""
    serve({})
    assert "the account has no connectors: check CLOUDFLARE_ACCOUNT_ID" in invoke("connectors").stderr
    archive = str(tmp_path / "events.db")
    assert invoke("archive", archive, "--all").exit_code == 0
    assert "the archive is empty" in invoke("connectors", "--archive", archive).stderr


@pytest.mark.parametrize("command", [("list", "site-1", *WINDOW), ("latest", "silent")])
def test_nothing_is_printed_in_a_pipe(account: Simulator, invoke: Invoke, command: tuple[str, ...]) -> None:
    account.add("silent")
    result = invoke(*command)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.usefixtures("on_terminal", "account")
def test_empty_listing_of_an_archive_says_where_it_begins(invoke: Invoke, tmp_path: Path) -> None:
    """What an archive has is known without a request; a window that ends before it names where to look."""
    path = f"{tmp_path}/events.db"
    assert invoke("archive", path, "site-1", "--since", "2026-01-01").exit_code == 0
    result = invoke("list", "--archive", path, *WINDOW, "--format", "table")
    assert (result.exit_code, result.stdout) == (0, "")
    assert f"{BETWEEN}; the archive begins at 2026-01-01 00:00:00 UTC\n" in result.stderr
