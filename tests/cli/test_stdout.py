"""Stdout: all of what is printed arrives, whatever stands behind it."""

import io
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

import cfevents
from cfevents.cli.app import app
from cfevents.cli.console.output import write_stdout
from cfevents.testing import Simulator

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there pipes always block")

TEXT = "".join(f"{number} événement\n" for number in range(20_000))


class CountedFile(io.FileIO):
    """A file that counts how often it is written to."""

    writes = 0

    def write(self, data: object) -> int | None:  # type: ignore[override]
        self.writes += 1
        return super().write(data)  # type: ignore[arg-type]


@pytest.fixture(params=[True, False], ids=["blocking", "non-blocking"])
def pipe(request: pytest.FixtureRequest) -> Iterator[tuple[int, CountedFile]]:
    """The reading end of a pipe, and the writing end, which may not block."""
    reading, writing = os.pipe()
    os.set_blocking(writing, request.param)
    with CountedFile(writing, "wb") as file:
        yield reading, file


@pytest.mark.parametrize("is_buffered", [True, False])
@pytest.mark.parametrize("data", [TEXT, TEXT.encode()], ids=["text", "bytes"])
def test_slow_reader_gets_all_of_it(
    pipe: tuple[int, CountedFile], monkeypatch: pytest.MonkeyPatch, is_buffered: bool, data: str | bytes
) -> None:
    """Nothing is dropped where the pipe is full, and writing is not tried again and again."""
    reading, file = pipe
    buffer = io.BufferedWriter(file) if is_buffered else file
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(buffer, "utf-8", write_through=not is_buffered))
    received: list[bytes] = []

    def read() -> None:
        while chunk := os.read(reading, 16_384):
            received.append(chunk)
            time.sleep(0.0005)
        os.close(reading)

    reader = threading.Thread(target=read)
    reader.start()
    write_stdout(data)
    file.close()
    reader.join()
    assert b"".join(received).decode() == TEXT
    assert file.writes <= 2 * len(received) + 2


def test_reader_that_leaves_is_noticed(pipe: tuple[int, CountedFile], monkeypatch: pytest.MonkeyPatch) -> None:
    reading, file = pipe
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(file), "utf-8"))
    threading.Timer(0.02, os.close, [reading]).start()
    with pytest.raises(BrokenPipeError):
        write_stdout(TEXT)
    file.close()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "koi8-r", "utf-8"])
def test_text_that_stdout_cannot_encode_is_escaped(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    text, buffer = "2 events in d\xe9p\xf4t/\u0436\u65e5\udcff.csv\n", io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(buffer, encoding))
    write_stdout(text)
    printed = buffer.getvalue().decode(encoding)
    assert printed.encode("ascii", "backslashreplace") == text.encode("ascii", "backslashreplace")


@pytest.mark.parametrize("name", ["\u65e5.ndjson", "\udcff.csv"])
def test_export_to_a_name_that_stdout_cannot_encode(serve: Callable[..., Simulator], tmp_path: Path, name: str) -> None:
    """The work is done, and the command says so."""
    serve({"site-1": [{"e": {"k": "Init"}, "t": 1767225600, "n": 0}]})
    args = ("export", str(tmp_path / name), "site-1", "--since", "2026-01-01T00:00:00Z")
    result = CliRunner(charset="latin-1").invoke(app, args, prog_name="cfevents", catch_exceptions=False)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("1 event in ")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_nothing_else_prints_on_stdout() -> None:
    """Whatever a command prints goes through one function, or to stderr."""
    printing = re.compile(
        r"(?<!def )(?<![\w.])print\(|sys\.stdout\.(?:buffer\.)?write\(|click\.s?echo\((?!.*\berr=)|print_help\("
    )
    for path in (Path(cfevents.__file__).parent / "cli").rglob("*.py"):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert path.name == "output.py" or not [line for line in lines if printing.search(line)], path
