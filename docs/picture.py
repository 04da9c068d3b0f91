"""The house in one picture: drawn while the pages are built, from the lists that the tests keep the imports by."""

import ast
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

LISTS = Path(__file__).parents[1] / "tests" / "test_face.py"
WAY = ["client", "streams", "paging", "session", "budget", "exchange", "protocol", "wire", "paging"]
"""The rooms that see an event, in the order of `house.md`."""

_ROW, _LEFT, _WIDTH, _BAR = 24, 92, 104, 23
_TIP = (
    '<marker id="tip" viewBox="0 0 6 6" refX="5" refY="3" markerWidth="6" markerHeight="6" orient="auto">'
    '<path class="tip" d="M0 0 6 3 0 6z"/></marker>'
)


def lists() -> tuple[list[str], dict[str, str]]:
    """Read the rooms, and the lowest room that each wing may know."""
    tree = ast.parse(LISTS.read_text(encoding="utf-8"))
    named = {ast.unparse(node.targets[0]): node.value for node in tree.body if isinstance(node, ast.Assign)}
    return ast.literal_eval(named["HOUSE"]), ast.literal_eval(named["WINGS"])


def draw(house: list[str], wings: dict[str, str]) -> str:
    """Draw the rooms below one another, beside them the wings as far down as they know rooms, and an event's way."""
    longest_last = sorted(wings, key=lambda wing: house.index(wings[wing]))
    width, height = _LEFT + _WIDTH + 8 + len(wings) * _BAR, len(house) * _ROW + 2
    parts = [
        f'<svg class="house" role="img" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">',
        f"<title>The house: {len(house)} rooms, {len(wings)} wings, and one event's way</title>",
        f"<defs>{_TIP}</defs>",
        *(_room(row, name) for row, name in enumerate(house)),
        *(_wing(place, wing, house.index(wings[wing])) for place, wing in enumerate(longest_last)),
        *_way([house.index(room) for room in WAY]),
        "</svg>",
    ]
    return "\n".join(parts)


def _room(row: int, name: str) -> str:
    kind = "room seen" if name in WAY else "room"
    return (
        f'<g class="{kind}"><rect x="{_LEFT}" y="{row * _ROW + 2}" width="{_WIDTH}" height="{_ROW - 4}" rx="3"/>'
        f'<text x="{_LEFT + 10}" y="{row * _ROW + 17}">{name}</text></g>'
    )


def _wing(place: int, name: str, lowest: int) -> str:
    left, bottom = _LEFT + _WIDTH + 8 + place * _BAR, (lowest + 1) * _ROW - 2
    return (
        f'<g class="wing"><rect x="{left}" y="2" width="{_BAR - 4}" height="{bottom - 2}" rx="3"/>'
        f'<text transform="translate({left + 13} {bottom - 8}) rotate(-90)">{name}</text></g>'
    )


def _way(rows: list[int]) -> Iterator[str]:
    """Draw an arrow for each step, the wider the farther it goes, with its number near its beginning."""
    for number, (start, end) in enumerate(pairwise(rows), 1):
        # What goes down is a little apart, so that it does not hide what goes up.
        down = end > start
        y, to = start * _ROW + (17 if down else 7), end * _ROW + (7 if down else 17)
        out = _LEFT - (22 + 8 * min(abs(end - start), 8) + (26 if down else 0))
        x, middle = _on_curve(_LEFT, out), _on_curve(y, y, to)
        yield f'<path class="arrow" marker-end="url(#tip)" d="M{_LEFT} {y}C{out} {y} {out} {to} {_LEFT} {to}"/>'
        yield (
            f'<g class="step"><circle cx="{x:.0f}" cy="{middle:.0f}" r="8"/>'
            f'<text x="{x:.0f}" y="{middle + 4:.0f}">{number}</text></g>'
        )


def _on_curve(start: float, near: float, far: float | None = None) -> float:
    """Find where the curve is after a third of its way; it ends where it began unless `far` says where."""
    there, end = (near, start) if far is None else (far, far)
    return (8 * start + 12 * near + 6 * there + end) / 27
