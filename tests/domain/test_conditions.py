"""Laws of the conditions that filters consist of."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracegraph.domain.conditions import (
    FloatRange,
    MetadataFilter,
    ScoreFilter,
    StringFilter,
    may_match_some_value,
    meets_without_value,
    metadata_text,
)
from tracegraph.domain.filters import SessionFilter, fields_of_conditions

texts = st.sampled_from(["", "a", "A", "ab", "Ab", "b", "ß", "SS"])
sets = st.none() | st.frozensets(texts, max_size=3)
string_filters = st.builds(
    StringFilter, st.none() | texts, sets, st.none() | texts, sets, st.none() | texts, st.none() | st.booleans()
)
several = st.lists(texts, max_size=3)


@given(several, st.frozensets(texts))
def test_every_object_meets_either_in_or_not_in(values: list[str], named: frozenset[str]) -> None:
    among = StringFilter(any_of=named).matches_any(values)
    assert among is not StringFilter(not_in=named).matches_any(values)


@given(several)
def test_every_object_has_a_value_or_has_none(values: list[str]) -> None:
    assert StringFilter(exists=True).matches_any(values) is not StringFilter(exists=False).matches_any(values)


@given(string_filters, st.none() | texts)
def test_conditions_on_one_value_hold_all_at_once(wanted: StringFilter, value: str | None) -> None:
    each = [
        replace(StringFilter(), **{name: getattr(wanted, name)})
        for name in StringFilter.__match_args__
        if getattr(wanted, name) is not None
    ]
    assert wanted.matches(value) is all(one.matches(value) for one in each)


@given(string_filters, several)
def test_exact_values_are_the_only_ones_that_match(wanted: StringFilter, values: list[str]) -> None:
    exact = wanted.exact_values
    if exact is not None and wanted.matches_any(values):
        assert not exact.isdisjoint(values)
    if not may_match_some_value(wanted):
        assert not wanted.matches_any(values)


@pytest.mark.parametrize(
    ("wanted", "met"),
    [
        (StringFilter(), True),
        (StringFilter(not_in=frozenset({"a"})), True),
        (StringFilter(exists=False), True),
        (StringFilter(exists=True), False),
        (StringFilter(eq="a"), False),
        (StringFilter(contains=""), False),
        (FloatRange(), True),
        (FloatRange(gte=0), False),
        (ScoreFilter("accuracy"), False),
        ((MetadataFilter("a"),), False),
        ((MetadataFilter("a", StringFilter(exists=False)),), True),
        ((), True),
        ("some text", False),
    ],
)
def test_what_an_object_without_a_value_meets(wanted: object, met: bool) -> None:  # noqa: FBT001 - cases
    assert meets_without_value(wanted) is met


def test_case_is_folded_as_unicode_says() -> None:
    assert StringFilter(contains="STRASSE").matches("Die Straße")
    assert StringFilter(starts_with="STRASSE").matches("straße 1")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("main", "main"),
        ('"main"', '"main"'),
        (True, "true"),
        (None, "null"),
        (3, "3"),
        ([1, "é"], '[1,"é"]'),
        ({"b": 1, "a": None}, '{"b":1,"a":null}'),
    ],
)
def test_a_metadata_value_is_its_compact_json_and_a_string_itself(value: Any, text: str) -> None:
    assert metadata_text(value) == text
    assert MetadataFilter("k", StringFilter(eq=text)).matches({"k": value})


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_the_text_of_a_metadata_value_that_is_no_string_has_its_value(value: Any) -> None:
    text = metadata_text(value)
    assert (text if isinstance(value, str) else json.loads(text)) == value


def test_only_top_level_keys_of_metadata_count() -> None:
    assert not MetadataFilter("a.b").matches({"a": {"b": 1}})
    assert not MetadataFilter("b").matches({"a": {"b": 1}})
    assert MetadataFilter("a").matches({"a": None})


def test_a_range_includes_its_start_but_not_its_end() -> None:
    wanted = FloatRange(gte=1, lt=2)
    assert [wanted.matches(number) for number in (0.9, 1, 1.9, 2, None)] == [False, True, True, False, False]


def test_a_score_is_of_the_evaluator_by_its_exact_name() -> None:
    scores = {"accuracy": 0.5}
    assert ScoreFilter("accuracy").matches(scores)
    assert not ScoreFilter("Accuracy").matches(scores)
    assert not ScoreFilter("accuracy", gte=0.6).matches(scores)


def test_a_filter_names_the_fields_that_it_reads() -> None:
    wanted = SessionFilter(text="a", score=ScoreFilter("b"), model=StringFilter(eq="c"))
    assert fields_of_conditions(wanted) == {"input", "output", "error", "scores", "models"}
