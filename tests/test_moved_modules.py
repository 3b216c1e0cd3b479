"""Moved modules stay importable for one release, with a warning."""

import importlib
import sys

import pytest


@pytest.mark.parametrize(
    ("old", "names"),
    [
        ("tracegraph.model", ["Experiment", "Session", "Metric"]),
        ("tracegraph.query", ["ExperimentFilter", "OrderDirection", "microseconds", "SortValue"]),
        ("tracegraph.secrets", ["SecretRef"]),
    ],
)
def test_a_moved_module_gives_the_same_names_and_warns(old: str, names: list[str]) -> None:
    sys.modules.pop(old, None)
    with pytest.warns(DeprecationWarning, match="moved to tracegraph.domain"):
        module = importlib.import_module(old)
    assert all(getattr(module, name) is not None for name in names)


def test_a_name_that_never_was_is_an_attribute_error() -> None:
    sys.modules.pop("tracegraph.model", None)
    with pytest.warns(DeprecationWarning, match="moved to tracegraph.domain"):
        module = importlib.import_module("tracegraph.model")
    with pytest.raises(AttributeError):
        _ = module.NothingOfThatName
