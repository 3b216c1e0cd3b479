"""Helpers for text."""

from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracegraph.domain.texts import folded, is_unreserved, percent_encoded, rfc3339

_zones = st.integers(-840, 840).map(lambda minutes: timezone(timedelta(minutes=minutes)))

_FIRST, _LAST = (datetime(year, 1, 1, tzinfo=UTC).replace(tzinfo=None) for year in (2, 9998))


@given(st.text())
def test_folded_text_is_one_line_of_the_same_words(text: str) -> None:
    assert folded(text).split() == text.split()
    assert folded(folded(text)) == folded(text)
    assert len(folded(text).splitlines()) <= 1


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_percent_encoding_is_reversible_and_leaves_no_reserved_character(text: str) -> None:
    encoded = percent_encoded(text)
    assert unquote(encoded) == text
    assert is_unreserved(encoded.replace("%", ""))


def test_a_lone_surrogate_has_no_encoding_unless_it_may_be_replaced() -> None:
    with pytest.raises(UnicodeEncodeError):
        percent_encoded("\ud800")
    assert percent_encoded("\ud800", errors="replace") == "%3F"


@given(st.datetimes(_FIRST, _LAST, timezones=_zones))
def test_a_time_is_the_same_time_in_utc(moment: datetime) -> None:
    assert datetime.fromisoformat(rfc3339(moment)) == moment
    assert rfc3339(moment).endswith("Z")


def test_a_time_always_has_microseconds() -> None:
    assert rfc3339(datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)) == "2024-05-06T07:08:09.000000Z"
