"""Two vendors' renderings of one input have one key, and different inputs have two."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracegraph.federation.analytics.case_texts import canonical

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
documents = st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3)


def reversed_names(value: Any) -> Any:
    """Return the value with the names of every object in reverse order."""
    if isinstance(value, dict):
        return {name: reversed_names(value[name]) for name in reversed(value)}
    return [reversed_names(element) for element in value] if isinstance(value, list) else value


@given(documents)
def test_json_is_compared_as_json(value: Any) -> None:
    """The order of names, spaces and escapes does not matter. The key is its own key."""
    key = canonical(json.dumps(value))
    assert canonical(json.dumps(reversed_names(value), ensure_ascii=False, indent=3)) == key
    assert canonical(f"\n {key}\t") == key


@given(documents, documents)
def test_different_documents_have_different_keys(left: Any, right: Any) -> None:
    same = canonical(json.dumps(left)) == canonical(json.dumps(right))
    assert not same or left == right


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('{"q": "x", "k": 1}', '{"k":1,"q":"x"}'),
        ('{"k":1.0,"q":"x"}', '{"k":1,"q":"x"}'),
        ('["caf\\u00e9", 1e2, 0.50]', '["café",100,0.5]'),
        ('{"q": "two  spaces"}', '{"q":"two  spaces"}'),
        ("  what \n is\tRAG? ", "what is RAG?"),
        ("1.0", "1.0"),
        ("null", "null"),
        ('"quoted"  text', '"quoted" text'),
        ('{"cut": "of', '{"cut": "of'),
        ("{not json}  at all", "{not json} at all"),
        ("[" * 5000 + "]" * 5000, "[" * 5000 + "]" * 5000),
        (" \n", ""),
    ],
)
def test_the_key_is_canonical_json_or_the_text_with_its_white_space_folded(text: str, key: str) -> None:
    assert canonical(text) == key


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ('{"n": 1e400}', '{"n": 1e500}'),
        ('{"n": 1e400}', '{"n": Infinity}'),
        ('{"n": 1e-400}', '{"n": 0}'),
        ('{"n": 9007199254740993.0}', '{"n": 9007199254740992.0}'),
        ('{"k": 1, "k": 2}', '{"k": 2}'),
        ('{"k": 1, "k": 2}', '{"k": 3, "k": 2}'),
    ],
)
def test_inputs_stay_distinct_where_json_parsers_round_or_drop_values(left: str, right: str) -> None:
    assert canonical(left) != canonical(right)


@pytest.mark.parametrize(
    ("left", "right"), [('{"n": 1e16}', '{"n":10000000000000000}'), ('{"n": -0.0}', '{"n":0}')]
)
def test_a_whole_number_has_one_key_in_every_notation(left: str, right: str) -> None:
    assert canonical(left) == canonical(right)
