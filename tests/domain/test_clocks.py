"""A monotonic clock measures ages. The wall clock is for dates, and for values that processes share."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest
from tracegraph_nemo.adapter import NemoAdapter

from tracegraph.domain.clocks import elapsed_s
from tracegraph.http.response_cache import ResponseCache
from tracegraph.upstream.cache.entries import CacheStores

ROOT = Path(__file__).parents[2]
WALL_CLOCK_READERS = {
    "adapters/tracegraph_nemo/adapter.py": "recent rows have dates",
    "src/tracegraph/federation/window_reader.py": "the newest window ends at the present date",
    "src/tracegraph/metrics/multiprocess.py": "the file system dates the snapshots of other processes",
    "src/tracegraph/upstream/cache/entries.py": "other processes date shared cache entries",
}


def reads_wall_clock(file: Path) -> bool:
    return any(
        isinstance(node, ast.Attribute) and node.attr in {"time", "time_ns"} and ast.unparse(node.value) == "time"
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    )


def test_the_wall_clock_is_read_in_seconds_only_where_processes_or_dates_need_it() -> None:
    files = [*ROOT.glob("src/**/*.py"), *ROOT.glob("adapters/**/*.py")]
    assert {str(file.relative_to(ROOT)) for file in files if reads_wall_clock(file)} == set(WALL_CLOCK_READERS)


def test_the_clock_for_ages_is_monotonic() -> None:
    moments = [elapsed_s() for _ in range(1000)]
    assert moments == sorted(moments)
    assert moments[0] >= 0


@pytest.mark.parametrize("user", [CacheStores, ResponseCache, NemoAdapter])
def test_objects_with_ages_use_the_monotonic_clock_by_default(user: type) -> None:
    assert inspect.signature(user).parameters["clock"].default is elapsed_s
