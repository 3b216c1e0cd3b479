"""Values that several vendors write in the same way."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, TypeAdapter, ValidationError

from tracegraph.adapter import WebAddress, bearer, chunks, commit_url, json_object, span_kind, total_or_sum
from tracegraph.domain.models import Score, ScoreText, SpanKind, score_fields


@pytest.mark.parametrize(
    ("word", "kind"),
    [("llm", SpanKind.LLM), ("Tool", SpanKind.TOOL), ("WORKFLOW", SpanKind.UNKNOWN), (None, SpanKind.UNKNOWN)],
)
def test_a_kind_of_span_is_our_word_in_any_case(word: str | None, kind: SpanKind) -> None:
    assert span_kind(word) is kind


@pytest.mark.parametrize("text", [None, 1, "", "no JSON", "[1]", b"\xff", "null", '"a"'])
def test_what_is_no_json_object_is_none(text: Any) -> None:
    assert json_object(text) is None


@pytest.mark.parametrize("text", ['{"a": 1}', b'{"a": 1}'])
def test_a_json_object_is_read_from_texts_and_bodies(text: str | bytes) -> None:
    assert json_object(text) == {"a": 1}


@pytest.mark.parametrize(
    ("counts", "total"),
    [((9, 1, 1), 9), ((0, 1, 1), 0), ((None, 1, None), 1), ((None, 1, 2), 3), ((None, None, None), None)],
)
def test_without_a_stated_total_the_known_counts_are_added(
    counts: tuple[int | None, int | None, int | None], total: int | None
) -> None:
    assert total_or_sum(*counts) == total


@given(st.lists(st.integers()), st.integers(1, 5))
def test_chunks_hold_every_item_once_in_order(items: list[int], size: int) -> None:
    parts = list(chunks(items, size))
    assert [item for part in parts for item in part] == items
    assert all(0 < len(part) <= size for part in parts)


def test_verdicts_become_the_fields_of_a_session() -> None:
    scores = [Score("a", 0.5), Score("b", None, "good", "why"), Score("c", None, None, None, failed=True)]
    assert score_fields(scores) == {
        "scores_by_evaluator": {"a": 0.5, "b": None, "c": None},
        "score_texts": {"b": ScoreText("good", "why")},
        "failed_evaluators": ("c",),
    }


def test_a_token_becomes_a_bearer_header_that_no_log_shows() -> None:
    header = bearer(SecretStr("s"))
    assert header is not None
    assert (header.get_secret_value(), repr(header)) == ("Bearer s", "SecretStr('**********')")
    assert bearer(None) is None


@pytest.mark.parametrize(
    ("remote", "commit", "url"),
    [
        ("https://github.com/a/b.git", "abcdef1", "https://github.com/a/b/commit/abcdef1"),
        ("git@gitlab.com:a/b.git", "abcdef1", "https://gitlab.com/a/b/-/commit/abcdef1"),
        ("https://host/a/b.git", "abcdef1", "https://host/a/b"),
        ("https://github.com/a/b", "no commit", "https://github.com/a/b"),
        ("javascript:alert(1)", "abcdef1", None),
        (None, "abcdef1", None),
    ],
)
def test_the_page_of_a_commit_follows_the_rule_of_its_host(remote: Any, commit: Any, url: str | None) -> None:
    assert commit_url(remote, commit) == url


@pytest.mark.parametrize("address", ["app.example.com", "ftp://app.example.com", "https://user:pw@example.com"])
def test_an_address_that_no_browser_opens_is_refused(address: str) -> None:
    with pytest.raises(ValidationError, match="an address that a browser can open"):
        TypeAdapter(WebAddress).validate_python(address)
