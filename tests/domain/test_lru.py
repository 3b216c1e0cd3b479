"""The LRU behaves like a plain list of entries, the least recently used first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tracegraph.domain.lru import LRU

Entry = tuple[int, int]
_steps = st.lists(
    st.tuples(st.sampled_from(["get", "peek", "put", "remove"]), st.integers(0, 6), st.integers(0, 9))
)


class Model:
    """An LRU as a list of entries. The value of an entry is its weight."""

    def __init__(self, max_entries: int, max_weight: int) -> None:
        self.entries: list[Entry] = []
        self._max_entries, self._max_weight = max_entries, max_weight

    def peek(self, key: int) -> int | None:
        return dict(self.entries).get(key)

    def remove(self, key: int) -> int | None:
        value = self.peek(key)
        self.entries = [entry for entry in self.entries if entry[0] != key]
        return value

    def get(self, key: int) -> int | None:
        value = self.remove(key)
        if value is not None:
            self.entries.append((key, value))
        return value

    def put(self, key: int, value: int) -> list[Entry]:
        self.remove(key)
        self.entries.append((key, value))
        evicted = []
        while len(self.entries) > 1 and (len(self.entries) > self._max_entries or self.weight > self._max_weight):
            evicted.append(self.entries.pop(0))
        return evicted

    @property
    def weight(self) -> int:
        return sum(value for _, value in self.entries)


@given(_steps, st.integers(1, 5), st.integers(0, 25))
def test_every_step_gives_what_a_plain_list_gives(
    steps: list[tuple[str, int, int]], max_entries: int, max_weight: int
) -> None:
    cache, model = LRU[int, int](max_entries, max_weight, lambda _, value: value), Model(max_entries, max_weight)
    for step, key, value in steps:
        arguments = (key, value) if step == "put" else (key,)
        assert getattr(cache, step)(*arguments) == getattr(model, step)(*arguments)
        assert list(cache) == [held for held, _ in model.entries]
        assert (len(cache), cache.weight) == (len(model.entries), model.weight)


@given(st.lists(st.integers(0, 20)), st.integers(1, 5))
def test_without_a_weight_only_the_number_is_bounded(keys: list[int], max_entries: int) -> None:
    cache = LRU[int, str](max_entries)
    for key in keys:
        cache.put(key, "x" * key)

    latest = list(dict.fromkeys(reversed(keys)))[:max_entries]
    assert list(cache) == latest[::-1]
    assert cache.weight == 0


def test_the_latest_entry_stays_however_heavy_it_is() -> None:
    cache = LRU[str, int](None, 10, lambda _, value: value)
    cache.put("light", 1)

    assert cache.put("heavy", 50) == [("light", 1)]
    assert cache.get("heavy") == 50


def test_a_peek_does_not_count_as_use() -> None:
    cache = LRU[str, int](2)
    cache.put("first", 1)
    cache.put("second", 2)
    cache.peek("first")
    cache.put("third", 3)

    assert list(cache) == ["second", "third"]
