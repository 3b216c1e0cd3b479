"""The values of the port are frozen: an adapter and the gateway share them."""

from dataclasses import FrozenInstanceError, replace

import pytest

from tracegraph.adapter import (
    CursorRequest,
    FetchInfo,
    OffsetRequest,
    Page,
    RangeRequest,
    SessionPageRequest,
    WholeRequest,
)
from tracegraph.federation.report import SourceReport
from tracegraph.upstream.messages import UpstreamRequest, UpstreamResponse

VALUES = [
    CursorRequest(10),
    FetchInfo(),
    OffsetRequest(10),
    Page[str](("row",), 0, None),
    RangeRequest(10),
    SessionPageRequest(("e",), OffsetRequest(10)),
    SourceReport("nemo"),
    UpstreamRequest("runs", "/runs"),
    UpstreamResponse("nemo", "runs", b"", FetchInfo()),
    WholeRequest(10),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_no_field_can_be_set(value: object) -> None:
    name = next(iter(type(value).__annotations__))
    with pytest.raises((FrozenInstanceError, AttributeError)):
        setattr(value, name, None)


def test_a_page_can_be_copied_with_other_rows() -> None:
    assert replace(Page(("a",), 0, None), items=("b",)) == Page(("b",), 0, None)
