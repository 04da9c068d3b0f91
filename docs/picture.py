"""Draw the layers of the package, read from the import contract in ``pyproject.toml``."""

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "pyproject.toml"
STEPS = {"_client": "1", "_listing": "2, 7", "_http": "3, 4, 5", "_protocol": "6"}
"""The packages that an event passes, with the steps of `layout.md` that happen there."""

_WIDTH, _ROW, _GAP = 720, 34, 6


def layers() -> list[list[str]]:
    """Read the layers, the highest first."""
    contracts = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    (contract,) = [contract for contract in contracts if contract["id"] == "layers"]
    return [re.split(r" [|:] ", layer) for layer in contract["layers"]]


def draw(rows: Sequence[Sequence[str]]) -> str:
    """Draw each layer as a row of boxes, and in a box the steps of an event's way that happen there."""
    parts = [
        f'<svg class="layers" role="img" viewBox="0 0 {_WIDTH} {len(rows) * _ROW}" xmlns="http://www.w3.org/2000/svg">',
        "<title>The layers of the package, and the way of one event</title>",
        *(_box(row, place, len(names), name) for row, names in enumerate(rows) for place, name in enumerate(names)),
        "</svg>",
    ]
    return "\n".join(parts)


def _box(row: int, place: int, boxes: int, name: str) -> str:
    width = (_WIDTH - (boxes - 1) * _GAP - 4) / boxes
    left, top = 2 + place * (width + _GAP), row * _ROW + 2
    steps = f'<tspan class="step" dx="10">{STEPS[name]}</tspan>' if name in STEPS else ""
    return (
        f'<g class="{"passed" if steps else "other"}">'
        f'<rect x="{left:.0f}" y="{top}" width="{width:.0f}" height="{_ROW - _GAP}" rx="3"/>'
        f'<text x="{left + width / 2:.0f}" y="{top + 19}">{name}{steps}</text></g>'
    )
