"""The segmented LRU keeps repeated texts whatever texts are used once, and is bounded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tracegraph.domain.lru import SegmentedLRU

EACH = 20
"""The fixed overhead of a text in characters."""
BOUND = 1000
Documents = SegmentedLRU[str, str]
texts = st.text("ab", min_size=1, max_size=100)


def new_cache(bound: int = BOUND) -> Documents:
    return SegmentedLRU(bound, lambda text, _: len(text) + EACH)


def cached(documents: Documents, names: set[str]) -> set[str]:
    return {name for name in names if documents.get(name) is not None}


def use(documents: Documents, name: str) -> None:
    if documents.get(name) is None:
        documents.put(name, name.upper())


@given(used=st.lists(texts, max_size=60))
def test_the_cache_returns_the_stored_value(used: list[str]) -> None:
    documents = new_cache()
    for name in used:
        use(documents, name)
        assert documents.get(name) == name.upper()


@given(used=st.lists(texts, max_size=60))
def test_the_total_length_is_bounded(used: list[str]) -> None:
    """Each text is shorter than a quarter of the bound, the capacity of the probation segment."""
    documents = new_cache()
    for name in used:
        use(documents, name)
    texts_held = list(documents)
    assert len(texts_held) == len(set(texts_held)) == len(documents)
    assert sum(len(name) + EACH for name in texts_held) <= BOUND


@given(repeated=st.lists(texts, min_size=1, max_size=6, unique=True), once=st.integers(0, 500))
def test_texts_used_once_evict_no_text_used_twice(repeated: list[str], once: int) -> None:
    documents = new_cache()
    for name in repeated:
        use(documents, name)
        use(documents, name)
    for number in range(once):
        use(documents, f"once {number}")
    assert cached(documents, set(repeated)) == set(repeated)


def test_repeated_texts_evict_the_least_recently_used_one() -> None:
    documents = new_cache(10 * (EACH + 1))
    for name in "abcdefghij":
        use(documents, name)
        use(documents, name)
        use(documents, "a")
    assert "a" in cached(documents, {"a"})
    assert "b" not in cached(documents, {"b"})


def test_one_text_beyond_the_bound_stays_until_the_next() -> None:
    documents = new_cache()
    use(documents, "x" * 5000)
    assert documents.get("x" * 5000) is not None
    use(documents, "a")
    use(documents, "b")
    assert documents.get("a") is not None
