"""The error family."""

import inspect
import pickle

import pytest

import cfevents
from cfevents import CodedMessage, errors

FAMILY = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, cfevents.CfEventsError)]


def test_the_family_is_drawn_as_it_is() -> None:
    assert errors.__doc__ is not None
    drawn = [line.split("── ")[1].split()[0] for line in errors.__doc__.splitlines() if "── " in line]
    assert sorted(["CfEventsError", *drawn]) == sorted(cls.__name__ for cls in FAMILY)
    assert issubclass(cfevents.APITimeoutError, cfevents.APIConnectionError)
    assert issubclass(cfevents.ResponseTooLargeError, cfevents.APIResponseError)


@pytest.mark.parametrize("cls", [cls for cls in FAMILY if cls is not cfevents.FleetError])
def test_every_error_survives_pickling_with_all_that_it_tells(cls: type[cfevents.CfEventsError]) -> None:
    details = {"method": "GET", "path": "/p", "cursor": "c", "since": 1, "until": 9, "kind": ("A", "B")}
    error = cls("why", errors=(CodedMessage(1, "m"),), **details)
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is cls
    assert vars(back) == vars(error)
    assert str(back) == str(error) == "GET /p: why"


def test_an_error_made_by_hand_needs_nothing_but_a_message() -> None:
    error = cfevents.RateLimitError("wait", retry_after=300)
    assert (error.retry_after, error.status, error.errors, error.cursor) == (300, 0, (), None)
    assert str(error) == "wait"


def test_fleet_error_survives_pickling() -> None:
    """The error of a fleet survives pickling, with the error of each connector."""
    error = cfevents.FleetError(
        {"c1": cfevents.NotFoundError("gone", status=404), "c2": cfevents.APITimeoutError("late")}
    )
    error.since = 1
    back = pickle.loads(pickle.dumps(error))
    assert {name: repr(exception) for name, exception in back.errors.items()} == {
        name: repr(exception) for name, exception in error.errors.items()
    }
    assert (str(back), back.since, back.errors["c1"].status) == (str(error), 1, 404)
    assert str(error) == "could not read 2 of the connectors: c1, c2 (2 sub-exceptions)"


def test_message_with_a_lone_surrogate_can_be_written() -> None:
    """A message of the API that holds a lone surrogate can be written to a file."""
    # An answer is JSON, and JSON can say "\\ud800".
    assert str(CodedMessage(1, "a\ud800b")) == r"1: a\ud800b"
