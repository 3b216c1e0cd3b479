"""The in-process cache: an LRU with limits of number and bytes."""

import tracemalloc
from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracegraph.upstream.cache.memory import PER_ENTRY_BYTES, CacheEntry, MemoryStore

STEPS = st.lists(st.tuples(st.sampled_from("gpr"), st.integers(0, 6), st.integers(0, 900)), max_size=60)


@given(STEPS, st.integers(1, 5), st.integers(0, 5 * PER_ENTRY_BYTES))
def test_the_store_behaves_like_a_simple_lru_list(
    steps: list[tuple[str, int, int]], most: int, most_bytes: int
) -> None:
    store = MemoryStore(max_entries=most, max_bytes=most_bytes)
    model: OrderedDict[bytes, bytes] = OrderedDict()

    def taken() -> int:
        return sum(len(body) + PER_ENTRY_BYTES for body in model.values())

    for step, number, size in steps:
        key = bytes([number])
        if step == "g":
            found = store.get(key)
            assert (found and found.body) == model.get(key)
            if key in model:
                model.move_to_end(key)
        elif step == "r":
            store.remove(key)
            model.pop(key, None)
        else:
            store.put(key, CacheEntry(b"x" * size, 0.0))
            model.pop(key, None)
            if size + PER_ENTRY_BYTES <= most_bytes:
                model[key] = b"x" * size
            while len(model) > most or taken() > most_bytes:
                model.popitem(last=False)
        assert (len(store), store.size_bytes) == (len(model), taken())


@pytest.mark.slow
def test_100_000_entries_stay_within_the_memory_limit() -> None:
    limit = 8 * 1024 * 1024
    store = MemoryStore(max_entries=1_000_000, max_bytes=limit)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(100_000):
            store.put(number.to_bytes(24), CacheEntry(bytes(number % 700), float(number), duration_s=number / 7))
            assert store.size_bytes <= limit
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert store.get((99_999).to_bytes(24)) is not None
    assert store.get((0).to_bytes(24)) is None
    assert 0.5 * limit < after - before <= limit


def test_the_number_of_entries_is_limited() -> None:
    store = MemoryStore(max_entries=1000)
    for number in range(100_000):
        store.put(number.to_bytes(24), CacheEntry(b"", 0.0))
    assert len(store) == 1000
