"""Counts of the requests of a block."""

from tracegraph.upstream.request_scope import count_calls, count_request


def test_a_block_counts_its_requests_and_those_of_a_block_within() -> None:
    with count_calls() as outer:
        count_request()
        with count_calls() as inner:
            count_request()
            count_request()
        count_request()

    assert (inner.requests, outer.requests) == (2, 4)


def test_requests_outside_a_block_are_not_counted() -> None:
    with count_calls() as meter:
        pass
    count_request()

    assert meter.requests == 0
