"""Checks of an adapter's results; `CheckedAdapter` applies them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import chain
from types import NoneType
from typing import Any, TypeVar

from tracegraph.adapter.capabilities import Capabilities
from tracegraph.adapter.paging import Page
from tracegraph.domain.calls import FetchInfo
from tracegraph.domain.models import Score, SessionStatus, Span, SpanKind, TokenUsage, is_number
from tracegraph.domain.sort_values import EPOCH
from tracegraph.errors import SourceError

_MAX_INT32 = 2**31 - 1


T = TypeVar("T")


class UnusableResult(Exception):
    """An adapter's result violates the port; the message describes the violation for the log."""


def is_reportable(error: Any, source: str) -> bool:
    """Return whether the error is a SourceError of that source with valid numbers."""
    return (
        isinstance(error, SourceError)
        and error.source == source
        and isinstance(error.message, str)
        and (error.http_status is None or _is_int32(error.http_status))
        and _is_int32(error.upstream_requests)
        and isinstance(error.retry_after_s, int | float | None)
    )


def require_page(page: Any, source: str) -> None:
    """Raise UnusableResult unless this is a page of that source; its items are checked separately."""
    if not isinstance(page, Page):
        raise UnusableResult(f"a {type(page).__name__} instead of a page")
    if not isinstance(page.items, list | tuple):
        raise UnusableResult(f"a page whose items are a {type(page.items).__name__}")
    if not _is_count(page.offset) or not _is_count(page.total):
        raise UnusableResult("a page whose offset or total is not a count of rows")
    if not (isinstance(page.next_hint, str) or _is_count(page.next_hint)):
        raise UnusableResult("a page whose next_hint is not a hint")
    _require_provenance(page.provenance, source)
    if page.error is not None and not is_reportable(page.error, source):
        raise UnusableResult("a page whose error is not of this source")
    if page.skipped and not all(map(_is_count, page.skipped)):
        raise UnusableResult("a page whose skipped indices are not indices")
    if page.next_hint is not None and not page.items:
        raise UnusableResult("an empty page with a next_hint: the pages do not advance")


def _require_provenance(provenance: Any, source: str) -> None:
    if not isinstance(provenance, FetchInfo):
        raise UnusableResult("a page without a provenance")
    if not _is_int32(provenance.upstream_requests):
        raise UnusableResult("a page without a count of requests")
    if provenance.stale is not None and not is_reportable(provenance.stale, source):
        raise UnusableResult("a page whose stale reason is not an error of this source")


def _is_count(value: Any) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0)


def _is_int32(value: Any) -> bool:
    """Return whether the value is a count that GraphQL's Int can hold."""
    return value is not None and _is_count(value) and value <= _MAX_INT32


def require_only(type_: type[Any], types: Iterable[type[Any]]) -> None:
    """Raise UnusableResult for a type other than the expected one."""
    if not set(types) <= {type_}:
        raise UnusableResult(f"another value instead of a {type_.__name__}")


def require_texts(values: Sequence[str]) -> None:
    """Raise TypeError for a value that is not a string."""
    "".join(values)


def require_ids(values: Iterable[str]) -> None:
    """Raise TypeError for a value that is not a string, UnicodeEncodeError for one that is not Unicode.

    Global IDs hold these values.
    """
    "".join(values).encode()


def require_lists(type_: type[Any], values: Sequence[Any]) -> None:
    """Raise UnusableResult unless each value is a list or tuple of that type."""
    if not {type(value) for value in values} <= {list, tuple}:
        raise UnusableResult(f"another value instead of a list of {type_.__name__}")
    require_only(type_, map(type, chain.from_iterable(values)))


def require_deferred(kinds: set[type[Any]]) -> None:
    """Raise UnusableResult unless deferred fields are sets."""
    if not kinds <= {frozenset, set}:
        raise UnusableResult("another value instead of the deferred fields")


def require_raw(kinds: set[type[Any]]) -> None:
    """Raise UnusableResult unless every vendor's object can be decoded."""
    if not all(hasattr(kind, "decode") for kind in kinds - {NoneType}):
        raise UnusableResult("another value instead of the vendor's object")


def require_mappings(kinds: set[type[Any]]) -> None:
    """Raise UnusableResult unless scores are mappings."""
    if not all(issubclass(kind, Mapping) for kind in kinds - {NoneType}):
        raise UnusableResult("scores that are not a mapping")


def require_times(times: Sequence[datetime]) -> None:
    """Raise TypeError for a value that is not a time, and for a time without a zone.

    A time without a zone cannot be compared with the others.
    """
    if times:
        max(times) >= EPOCH  # noqa: B015 - the comparison itself is the check


def consistent_page(page: Page[T], ids: Sequence[Any]) -> Page[T]:
    """Return the page without duplicate rows, and without a total that its own rows contradict."""
    if len(set(ids)) < len(ids):
        first = dict(zip(reversed(ids), reversed(range(len(ids))), strict=True))
        indices = sorted(first.values())
        repeated = [place for index, place in enumerate(_places(page)) if index not in first.values()]
        return replace(
            page,
            items=[page.items[index] for index in indices],
            total=None,
            skipped=tuple(sorted([*page.skipped, *repeated])),
            repeated=frozenset(repeated),
        )
    return with_consistent_total(page)


def with_consistent_total(page: Page[T]) -> Page[T]:
    """Return the page without a total that its own rows contradict."""
    total = consistent_total(page)
    return page if total == page.total else replace(page, total=total)


def _places(page: Page[Any]) -> list[int]:
    """Return the index of each row in the vendor's page."""
    sent = range(len(page.items) + len(page.skipped))
    return [place for place in sent if place not in page.skipped]


def consistent_total(page: Page[Any]) -> int | None:
    """Return the page's total, None when the rows of the page itself contradict the total."""
    offset, total = page.offset or 0, page.total
    if total is None:
        return None
    end = offset + len(page.items) + len(page.skipped)
    if page.items and (end > total or (page.next_hint is None and page.offset is not None and end != total)):
        return None
    is_end = page.offset is not None and page.next_hint is None
    # An empty page at an offset beyond the end says only that the list is not longer.
    return None if is_end and (end != total if offset == 0 else end < total) else total


def require_results(results: Sequence[Any], requests: int) -> Sequence[Any]:
    """Return the results; raise UnusableResult unless there is one for each request."""
    if not isinstance(results, list | tuple):
        raise UnusableResult(f"a {type(results).__name__} instead of a list of results")
    if len(results) != requests:
        raise UnusableResult(f"{len(results)} results to {requests} requests")
    return results


def require_scores(scores: Sequence[Sequence[Score]]) -> None:
    """Raise UnusableResult or TypeError for anything but lists of scores with numbers, words or failures."""
    for session_scores in scores:
        if not isinstance(session_scores, list | tuple):
            raise UnusableResult("scores of a session that are not a list")
    flat = list(chain.from_iterable(scores))
    require_only(Score, map(type, flat))
    require_texts([score.evaluator for score in flat])
    if not all(score.value is None or is_number(score.value) for score in flat):
        raise UnusableResult("a score that is not a number")
    texts = [text for score in flat for text in (score.label, score.explanation) if text is not None]
    require_texts(texts)


def require_spans(spans: Sequence[Any], source: str) -> None:
    """Raise UnusableResult or another exception for anything but lists of usable spans of that source."""
    require_lists(Span, spans)
    flat: list[Span] = list(chain.from_iterable(spans))
    require_ids([span.vendor_id for span in flat])
    require_ids([span.parent_id for span in flat if span.parent_id is not None])
    require_only(SpanKind, {type(span.kind) for span in flat})
    require_only(SessionStatus, {type(span.status) for span in flat})
    require_times([time for span in flat if (time := span.started_at) is not None])
    require_times([time for span in flat if (time := span.ended_at) is not None])
    require_only(TokenUsage, {type(span.tokens) for span in flat} - {NoneType})
    require_scores([span.scores for span in flat])
    require_raw({type(span.raw) for span in flat})
    require_deferred({type(span.deferred) for span in flat})
    errors = [span.scores_error for span in flat if span.scores_error is not None]
    if not all(is_reportable(error, source) for error in errors):
        raise UnusableResult("a scores_error that is not of this source")


def require_capabilities(capabilities: Capabilities) -> Capabilities:
    """Return the capabilities; raise UnusableResult for anything else."""
    if not isinstance(capabilities, Capabilities):
        raise UnusableResult(f"a {type(capabilities).__name__} instead of capabilities")
    return capabilities


def calls_of(result: Any) -> int:
    """Return the number of requests sent for the result, 0 when the number is missing or invalid."""
    provenance = result.provenance if isinstance(result, Page) else None
    calls = provenance.upstream_requests if isinstance(provenance, FetchInfo) else 0
    return calls if _is_int32(calls) else 0
