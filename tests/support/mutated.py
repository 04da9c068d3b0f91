"""Pages with a few things wrong."""

from random import Random

ODD = [
    "null", "true", "-1", "3.0", "1e400", "NaN", "-Infinity", "9" * 30, "9" * 5000, '"\\ud800"', '"x"', "{}", "[]",
    '{"k":"Init","k":"Leave"}', "[" * 400, "]" * 400, "\ufeff", "\0", ",", ":", '"', "\\", "1.5", "false", '""',
]  # fmt: skip


def mutated(random: Random, text: str) -> str:
    """A page with a few of its characters or values cut, doubled, swapped or replaced."""
    for _ in range(random.randint(1, 4)):
        at, length = random.randrange(len(text) + 1), random.choice([1, 1, 2, 8, 60])
        match random.randrange(4):
            case 0:
                text = text[:at] + text[at + length :]
            case 1:
                text = text[: at + length] + text[at:]
            case 2:
                text = text[:at] + random.choice(ODD) + text[at:]
            case _:
                text = with_a_value_replaced(random, text, random.choice(ODD))
    return text


def with_a_value_replaced(random: Random, text: str, by: str) -> str:
    """A page in which something else stands where one of its values was."""
    spots = [place for place, character in enumerate(text) if character in ":["]
    if not spots:
        return text
    start = random.choice(spots) + 1
    end = min(
        (place for place in (text.find(delimiter, start) for delimiter in ",}]") if place >= 0), default=len(text)
    )
    return text[:start] + by + text[end:]
