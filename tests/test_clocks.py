"""Ages are measured by a clock that nobody sets; the wall clock is for dates, and for what processes share."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest
from tracegraph_nemo.adapter import NemoAdapter

from tracegraph.domain.clocks import elapsed_s
from tracegraph.http.response_cache import ResponseCache
from tracegraph.upstream.cache.read_through import CacheStores

ROOT = Path(__file__).parents[1]
READ_IT = {
    "adapters/tracegraph_nemo/adapter.py": "what is recent on a timeline of dates",
    "src/tracegraph/metrics/multiprocess.py": "when another process wrote its file, by the file system",
    "src/tracegraph/upstream/cache/read_through.py": "when another copy of the gateway wrote a shared entry",
}


def reads_wall_clock(file: Path) -> bool:
    return any(
        isinstance(node, ast.Attribute) and node.attr in {"time", "time_ns"} and ast.unparse(node.value) == "time"
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    )


def test_the_wall_clock_is_read_in_seconds_only_where_processes_or_dates_need_it() -> None:
    files = [*ROOT.glob("src/**/*.py"), *ROOT.glob("adapters/**/*.py")]
    assert {str(file.relative_to(ROOT)) for file in files if reads_wall_clock(file)} == set(READ_IT)


def test_the_clock_for_ages_never_goes_back() -> None:
    moments = [elapsed_s() for _ in range(1000)]
    assert moments == sorted(moments)
    assert moments[0] >= 0


@pytest.mark.parametrize("user", [CacheStores, ResponseCache, NemoAdapter])
def test_what_knows_ages_takes_it_unless_another_is_given(user: type) -> None:
    assert inspect.signature(user).parameters["clock"].default is elapsed_s
