"""The segmented LRU keeps repeated texts whatever texts are used once, and is bounded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tracegraph.graphql.documents.segmented_lru import SegmentedLRU

EACH = 20
"""The fixed overhead of a text in characters."""
MOST = 1000
texts = st.text("ab", min_size=1, max_size=100)


def kept(documents: SegmentedLRU[str], names: set[str]) -> set[str]:
    return {name for name in names if documents.get(name) is not None}


def ask(documents: SegmentedLRU[str], name: str) -> None:
    if documents.get(name) is None:
        documents.put(name, name.upper())


@given(asked=st.lists(texts, max_size=60))
def test_the_cache_returns_the_stored_value(asked: list[str]) -> None:
    documents = SegmentedLRU[str](MOST)
    for name in asked:
        ask(documents, name)
        assert documents.get(name) == name.upper()


@given(asked=st.lists(texts, max_size=60))
def test_the_total_length_is_bounded(asked: list[str]) -> None:
    """Each text is shorter than a quarter of the bound, the capacity of the probation segment."""
    documents = SegmentedLRU[str](MOST)
    for name in asked:
        ask(documents, name)
    held = [*documents._probation.values, *documents._protected.values]
    assert len(held) == len(set(held))
    assert sum(len(name) + EACH for name in held) <= MOST


@given(known=st.lists(texts, min_size=1, max_size=6, unique=True), once=st.integers(0, 500))
def test_texts_used_once_evict_no_text_used_twice(known: list[str], once: int) -> None:
    documents = SegmentedLRU[str](MOST)
    for name in known:
        ask(documents, name)
        ask(documents, name)
    for number in range(once):
        ask(documents, f"once {number}")
    assert kept(documents, set(known)) == set(known)


def test_repeated_texts_evict_the_least_recently_used_one() -> None:
    documents = SegmentedLRU[str](10 * (EACH + 1))
    for name in "abcdefghij":
        ask(documents, name)
        ask(documents, name)
        ask(documents, "a")
    assert "a" in kept(documents, {"a"})
    assert "b" not in kept(documents, {"b"})


def test_one_text_beyond_the_bound_stays_until_the_next() -> None:
    documents = SegmentedLRU[str](MOST)
    ask(documents, "x" * 5000)
    assert documents.get("x" * 5000) is not None
    ask(documents, "a")
    ask(documents, "b")
    assert documents.get("a") is not None
