"""What an answer of an adapter must be, so that the core can use it; `checked_adapter` applies it."""

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
from tracegraph.domain.models import Score, is_number
from tracegraph.domain.sort_values import EPOCH
from tracegraph.errors import SourceError

_LARGEST_INT = 2**31 - 1


T = TypeVar("T")


class UnusableAnswer(Exception):
    """An adapter's answer is not what the port promises; the text says what is wrong with it, for the log."""


def is_reportable(error: Any, source: str) -> bool:
    """Whether it is a SourceError of that source whose figures are figures."""
    return (
        isinstance(error, SourceError)
        and error.source == source
        and isinstance(error.message, str)
        and (error.http_status is None or _is_int32(error.http_status))
        and _is_int32(error.upstream_requests)
        and isinstance(error.retry_after_s, int | float | None)
    )


def require_page(page: Any, source: str) -> None:
    """Raise UnusableAnswer for what is no page of that source; its items are checked apart."""
    if not isinstance(page, Page):
        raise UnusableAnswer(f"a {type(page).__name__} in place of a page")
    if not isinstance(page.items, list | tuple):
        raise UnusableAnswer(f"a page whose items are a {type(page.items).__name__}")
    if not _is_count(page.start) or not _is_count(page.total):
        raise UnusableAnswer("a page whose start or total is no number of rows")
    if not (isinstance(page.next, str) or _is_count(page.next)):
        raise UnusableAnswer("a page whose next is no hint")
    _require_provenance(page.provenance, source)
    if page.error is not None and not is_reportable(page.error, source):
        raise UnusableAnswer("a page whose error is none of this source")
    if page.skipped and not all(map(_is_count, page.skipped)):
        raise UnusableAnswer("a page whose skipped places are no places")
    if page.next is not None and not page.items:
        raise UnusableAnswer("an empty page that goes on: pages do not advance")


def _require_provenance(provenance: Any, source: str) -> None:
    if not isinstance(provenance, FetchInfo):
        raise UnusableAnswer("a page without a provenance")
    if not _is_int32(provenance.upstream_requests):
        raise UnusableAnswer("a page without a number of calls")
    if provenance.stale is not None and not is_reportable(provenance.stale, source):
        raise UnusableAnswer("a page that is stale for no error of this source")


def _is_count(value: Any) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0)


def _is_int32(value: Any) -> bool:
    """Whether it is a count that an Int of GraphQL holds."""
    return value is not None and _is_count(value) and value <= _LARGEST_INT


def require_only(type_: type[Any], found: Iterable[type[Any]]) -> None:
    """Raise UnusableAnswer when another type is among those found."""
    if not set(found) <= {type_}:
        raise UnusableAnswer(f"another value in place of a {type_.__name__}")


def require_texts(values: Sequence[str]) -> None:
    """Raises TypeError for what is no text."""
    "".join(values)


def require_ids(values: Iterable[str]) -> None:
    """Raises TypeError for what is no text, UnicodeEncodeError for what is no Unicode: global IDs hold them."""
    "".join(values).encode()


def require_lists(of: type[Any], given: Sequence[Any]) -> None:
    """Raise UnusableAnswer unless each is a list or tuple of that type."""
    if not {type(one) for one in given} <= {list, tuple}:
        raise UnusableAnswer(f"another value in place of a list of {of.__name__}")
    require_only(of, map(type, chain.from_iterable(given)))


def require_deferred(kinds: set[type[Any]]) -> None:
    """Raise UnusableAnswer unless deferred fields are sets."""
    if not kinds <= {frozenset, set}:
        raise UnusableAnswer("another value in place of the deferred fields")


def require_raw(kinds: set[type[Any]]) -> None:
    """Raise UnusableAnswer unless every vendor's object can be decoded."""
    if not all(hasattr(kind, "decode") for kind in kinds - {NoneType}):
        raise UnusableAnswer("another value in place of the vendor's object")


def require_mappings(kinds: set[type[Any]]) -> None:
    """Raise UnusableAnswer unless scores are mappings."""
    if not all(issubclass(kind, Mapping) for kind in kinds - {NoneType}):
        raise UnusableAnswer("scores that are no mapping")


def require_times(times: Sequence[datetime]) -> None:
    """Raises TypeError for what is no time, and for a time without an offset: it compares with no other."""
    if times:
        max(times) >= EPOCH  # noqa: B015 - only whether they compare


def sound(page: Page[T], ids: Sequence[Any]) -> Page[T]:
    """The page with each row once, and without a total that its own rows contradict."""
    if len(set(ids)) < len(ids):
        first = dict(zip(reversed(ids), reversed(range(len(ids))), strict=True))
        kept = sorted(first.values())
        repeated = [place for index, place in enumerate(_places(page)) if index not in first.values()]
        skipped = tuple(sorted([*page.skipped, *repeated]))
        return replace(page, items=[page.items[index] for index in kept], total=None, skipped=skipped)
    return with_sound_total(page)


def with_sound_total(page: Page[T]) -> Page[T]:
    """The page without a total that its own rows contradict."""
    total = believable_total(page)
    return page if total == page.total else replace(page, total=total)


def _places(page: Page[Any]) -> list[int]:
    """Where the rows stand in the vendor's page, from its start on."""
    sent = range(len(page.items) + len(page.skipped))
    return [place for place in sent if place not in page.skipped]


def believable_total(page: Page[Any]) -> int | None:
    """The page's total, None when the rows of the page itself contradict it."""
    start, total = page.start or 0, page.total
    if total is None:
        return None
    end = start + len(page.items) + len(page.skipped)
    if page.items and (end > total or (page.next is None and page.start is not None and end != total)):
        return None
    is_whole = page.start == 0 and page.next is None
    return None if is_whole and end != total else total


def require_answers(answers: Sequence[Any], asks: int) -> Sequence[Any]:
    """The answers, when there is one for each question; else raise UnusableAnswer."""
    if not isinstance(answers, list | tuple):
        raise UnusableAnswer(f"a {type(answers).__name__} in place of a list of answers")
    if len(answers) != asks:
        raise UnusableAnswer(f"{len(answers)} answers to {asks} questions")
    return answers


def require_scores(scores: Sequence[Sequence[Score]]) -> None:
    """Raise UnusableAnswer or TypeError for what is no list of scores with numbers."""
    for some in scores:
        if not isinstance(some, list | tuple):
            raise UnusableAnswer("scores of a session that are no list")
    flat = list(chain.from_iterable(scores))
    require_only(Score, map(type, flat))
    require_texts([score.evaluator for score in flat])
    if not all(is_number(score.value) for score in flat):
        raise UnusableAnswer("a score that is no number")


def require_capabilities(capabilities: Capabilities) -> Capabilities:
    """The capabilities; raise UnusableAnswer for anything else."""
    if not isinstance(capabilities, Capabilities):
        raise UnusableAnswer(f"a {type(capabilities).__name__} in place of capabilities")
    return capabilities


def calls_of(answer: Any) -> int:
    """The calls that were made for it, 0 when it says none that can be believed."""
    provenance = answer.provenance if isinstance(answer, Page) else None
    calls = provenance.upstream_requests if isinstance(provenance, FetchInfo) else 0
    return calls if _is_int32(calls) else 0
