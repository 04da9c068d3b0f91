"""A notebook: its cells as a person would write them, in a real kernel."""

import re
from collections.abc import Iterator
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from cfevents.testing import Simulator, SimulatorThread

CELLS = [
    "from cfevents import Client\nclient = await Client().open()",
    "stream = client.list_events('a', since=0, until=100)\nstream",
    "async for event in stream.progress():\n    last = event\nlast",
    "for event in stream:\n    pass",
    "await stream",
    "await client.list_connectors()",
    "client.fleet(['a'])",
    "(await stream.to_pandas())['kind'].value_counts()['Init']",
    "repr(client)",
    "another = await Client().open()\nawait another.list_connectors();",
    "another = None",
]


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A notebook that was run from its first cell to its last."""
    many = [{"e": {"k": "Init"}, "t": t, "n": 0} for t in range(100)]
    with SimulatorThread(Simulator(events={"a": many}, max_page_size=25)) as simulator:
        for name, value in simulator.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("PYDEVD_DISABLE_FILE_VALIDATION", "1")
        v4: Any = nbformat.v4
        made = v4.new_notebook(cells=[v4.new_code_cell(cell) for cell in CELLS])
        NotebookClient(made, kernel_name="python3", allow_errors=True).execute()
        yield made


def text(cell: Any) -> str:
    return "".join(output.get("text", "") for output in cell.outputs)


def shown(cell: Any) -> dict[str, str]:
    return {kind: value for output in cell.outputs for kind, value in output.get("data", {}).items()}


@pytest.mark.filterwarnings("default")  # of those who run it
def test_client_serves_later_cells_and_warns_if_unclosed(notebook: Any) -> None:
    """A client opened in one cell serves the next and says so when it was forgotten."""
    opened, stream, drawn, looped, awaited, connectors, fleet, counted, open_still, _, forgotten = notebook.cells
    assert opened.outputs == []
    assert "EventStream: sent when it is read" in shown(stream)["text/html"]
    bar, _ = drawn.outputs
    assert re.fullmatch(r"a: 100%\|█+\| 00:\d\d<00:00, 100 events, 4 pages", bar["data"]["text/plain"])
    assert "use 'async for event in stream'" in looped.outputs[0]["evalue"]
    assert "'await stream.collect()' for a list" in awaited.outputs[0]["evalue"]
    assert shown(connectors)["text/plain"].startswith("[<Connector 'a' ")
    assert ">Fleet of &#x27;a&#x27;<" in shown(fleet)["text/html"]
    assert "Event 99.0" in shown(drawn)["text/html"]
    assert "100" in shown(counted)["text/plain"]
    assert ", open>" in shown(open_still)["text/plain"]
    assert "was forgotten open: write 'async with Client() as client', or await client.close()" in text(forgotten)
    assert "Unclosed" not in text(forgotten)
