"""What is asked for again stays, whatever is asked for once; what is kept has a bound."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tracegraph.graphql.documents.segmented_lru import SegmentedLRU

EACH = 20
"""Characters that a text counts for beside its own."""
MOST = 1000
texts = st.text("ab", min_size=1, max_size=100)


def kept(documents: SegmentedLRU[str], names: set[str]) -> set[str]:
    return {name for name in names if documents.get(name) is not None}


def ask(documents: SegmentedLRU[str], name: str) -> None:
    if documents.get(name) is None:
        documents.put(name, name.upper())


@given(asked=st.lists(texts, max_size=60))
def test_what_is_kept_is_what_was_put(asked: list[str]) -> None:
    documents = SegmentedLRU[str](MOST)
    for name in asked:
        ask(documents, name)
        assert documents.get(name) == name.upper()


@given(asked=st.lists(texts, max_size=60))
def test_all_texts_together_are_within_the_bound(asked: list[str]) -> None:
    """Each is shorter than a quarter of it, which is the part of new ones."""
    documents = SegmentedLRU[str](MOST)
    for name in asked:
        ask(documents, name)
    held = [*documents._probation.values, *documents._protected.values]
    assert len(held) == len(set(held))
    assert sum(len(name) + EACH for name in held) <= MOST


@given(known=st.lists(texts, min_size=1, max_size=6, unique=True), once=st.integers(0, 500))
def test_texts_that_are_asked_for_once_push_out_nothing_that_was_asked_for_again(
    known: list[str], once: int
) -> None:
    documents = SegmentedLRU[str](MOST)
    for name in known:
        ask(documents, name)
        ask(documents, name)
    for number in range(once):
        ask(documents, f"once {number}")
    assert kept(documents, set(known)) == set(known)


def test_texts_that_are_asked_for_again_push_out_the_one_that_was_not_for_longest() -> None:
    documents = SegmentedLRU[str](10 * (EACH + 1))
    for name in "abcdefghij":
        ask(documents, name)
        ask(documents, name)
        ask(documents, "a")
    assert "a" in kept(documents, {"a"})
    assert "b" not in kept(documents, {"b"})


def test_one_text_that_is_longer_than_all_may_be_is_kept_until_the_next() -> None:
    documents = SegmentedLRU[str](MOST)
    ask(documents, "x" * 5000)
    assert documents.get("x" * 5000) is not None
    ask(documents, "a")
    ask(documents, "b")
    assert documents.get("a") is not None
