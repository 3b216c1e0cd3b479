"""The metrics of a process: CPU time since they began, memory, file descriptors, and the lag of the event loop."""

import pytest

from tracegraph.metrics.definitions import LOOP_LAG, PROCESS_FAMILIES, REDIS_UP
from tracegraph.metrics.process import LAG_WINDOW_S, LoopLag, ProcessUsage
from tracegraph.metrics.snapshot import Snapshot


def test_every_family_of_a_process_has_a_value() -> None:
    values = dict(ProcessUsage().values())
    assert [family.name for family in values] == [family.name for family in PROCESS_FAMILIES]
    assert all(value > 0 for family, value in values.items() if "cpu" not in family.name)


def test_the_cpu_time_counts_from_zero_so_that_a_reload_counts_nothing_twice() -> None:
    first = ProcessUsage()
    sum(range(3_000_000))
    used, begun = (dict(usage.values())[PROCESS_FAMILIES[0]] for usage in (first, ProcessUsage()))
    assert used > begun
    assert begun == pytest.approx(0, abs=0.02)


def test_the_lag_is_the_longest_delay_of_the_window() -> None:
    now = [0.0]
    lag = LoopLag(lambda: now[0])
    assert lag.longest_s == 0
    lag.add(0.3)
    now[0] = LAG_WINDOW_S / 2
    lag.add(0.1)
    lag.add(-0.2)
    assert lag.longest_s == 0.3
    now[0] = LAG_WINDOW_S + 0.1
    assert lag.longest_s == 0.1
    now[0] = 2 * LAG_WINDOW_S
    assert lag.longest_s == 0


def test_processes_report_the_longest_lag_and_redis_is_up_when_it_is_up_for_all() -> None:
    total = Snapshot()
    for lag_s, is_up in ((0.1, 1), (0.5, 0), (0.2, 1)):
        total.add(LOOP_LAG, (), lag_s)
        total.add(REDIS_UP, (), is_up)
    assert [*total.samples(LOOP_LAG)] == [((), [0.5])]
    assert [*total.samples(REDIS_UP)] == [((), [0])]
