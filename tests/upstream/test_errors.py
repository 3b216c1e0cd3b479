"""The error of each status, and the parts of a response that the error holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracegraph.errors import (
    SourceBadRequest,
    SourceBadResponse,
    SourceError,
    SourceErrorCode,
    SourceNotFound,
    SourceRateLimited,
    SourceTimeout,
    SourceUnauthorized,
    SourceUnavailable,
)
from tracegraph.upstream.errors import error_for_status

NOT_2XX = st.integers(100, 199) | st.integers(300, 599)


@pytest.mark.parametrize(
    ("status", "kind", "code", "retryable"),
    [
        (301, SourceBadResponse, SourceErrorCode.BAD_RESPONSE, False),
        (400, SourceBadRequest, SourceErrorCode.BAD_REQUEST, False),
        (401, SourceUnauthorized, SourceErrorCode.UNAUTHORIZED, False),
        (403, SourceUnauthorized, SourceErrorCode.UNAUTHORIZED, False),
        (404, SourceNotFound, SourceErrorCode.NOT_FOUND, False),
        (408, SourceTimeout, SourceErrorCode.TIMEOUT, True),
        (413, SourceBadRequest, SourceErrorCode.BAD_REQUEST, False),
        (422, SourceBadRequest, SourceErrorCode.BAD_REQUEST, False),
        (425, SourceUnavailable, SourceErrorCode.UNAVAILABLE, True),
        (429, SourceRateLimited, SourceErrorCode.RATE_LIMITED, True),
        (500, SourceUnavailable, SourceErrorCode.UNAVAILABLE, True),
        (503, SourceUnavailable, SourceErrorCode.UNAVAILABLE, True),
        (504, SourceTimeout, SourceErrorCode.TIMEOUT, True),
    ],
)
def test_each_status_maps_to_its_error(
    status: int, kind: type[SourceError], code: SourceErrorCode, *, retryable: bool
) -> None:
    error = error_for_status("acme", status, {}, b"")
    assert type(error) is kind
    assert (error.code, error.retryable, error.http_status, error.source) == (code, retryable, status, "acme")


@given(NOT_2XX)
def test_every_status_but_2xx_maps_to_an_error_by_its_class(status: int) -> None:
    """425 is the exception: it is transient like a 5xx."""
    error = error_for_status("acme", status, {}, b"")
    named = (SourceUnauthorized, SourceNotFound, SourceTimeout, SourceRateLimited)
    if not isinstance(error, named):
        expected = {4: SourceBadRequest, 5: SourceUnavailable}.get(status // 100, SourceBadResponse)
        expected = SourceUnavailable if status == 425 else expected
        assert type(error) is expected
    assert str(status) in error.message


@given(NOT_2XX, st.binary(min_size=8, max_size=30).map(lambda data: data.hex()))
def test_the_message_holds_no_text_of_the_vendor(status: int, words: str) -> None:
    error = error_for_status("acme", status, {"x-detail": words, "location": words}, words.encode())
    assert words not in str(error)
    assert words not in repr(error)
    assert error.vendor_body == words.encode()


def test_the_error_holds_retry_after() -> None:
    assert error_for_status("acme", 429, {"retry-after": "12"}, b"").retry_after_s == 12
    assert error_for_status("acme", 429, {}, b"").retry_after_s is None


def test_each_error_has_its_own_reference() -> None:
    references = {error_for_status("acme", 500, {}, b"").reference for _ in range(100)}
    assert len(references) == 100


def test_an_error_keeps_only_the_beginning_of_a_long_body() -> None:
    error = error_for_status("vendor", 500, {}, b"x" * 10_000_000)
    assert len(error.vendor_body) == 16 * 1024
