"""The catalogue, printed."""

import json
from collections.abc import Callable

from click.testing import Result

from cfevents.events import KINDS

Invoke = Callable[..., Result]


def test_kinds_are_printed_in_catalogue_order(invoke: Invoke) -> None:
    """Kinds are printed in the order of the catalogue, with all that is documented of them."""
    printed = [json.loads(line) for line in invoke("kinds").stdout.splitlines()]
    assert [record["kind"] for record in printed] == list(KINDS)
    by_kind = {record["kind"]: record for record in printed}
    assert by_kind["Init"] == {"kind": "Init", "description": "Initialized process", "payload": []}
    assert by_kind["StartUpgrade"]["payload"] == ["url"]
    assert by_kind["RekeyReset"]["payload"] == ["tunnel_id"]


def test_kinds_need_no_api_so_that_simulate_changes_nothing(invoke: Invoke) -> None:
    assert invoke("kinds", "--simulate").stdout == invoke("kinds").stdout


def test_a_table_of_kinds_has_a_line_for_each(invoke: Invoke) -> None:
    header, *lines = invoke("kinds", "--format", "table").stdout.splitlines()
    assert header.split() == ["KIND", "PAYLOAD", "DESCRIPTION"]
    assert [line.split()[0] for line in lines] == list(KINDS)
    assert len({line.index(KINDS[line.split()[0]].description) for line in lines}) == 1
