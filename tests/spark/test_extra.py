"""The package cfevents.spark without Spark."""

import sys

import pytest

import cfevents.spark
from cfevents import ConfigurationError


def test_without_spark_the_data_source_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'cfevents\[spark\]'"):
        _ = cfevents.spark.EventsDataSource


def test_package_has_one_public_name() -> None:
    assert cfevents.spark.__all__ == ["EventsDataSource"]
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        getattr(cfevents.spark, "Nothing")  # noqa: B009
