"""The calls to NeMo Intake: paths, credential, and what its refusals mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

import orjson
from pydantic import SecretStr

from adapters.nemo.paging import VendorPage
from adapters.nemo.wire import EXPERIMENTS, SESSIONS, ExperimentRow, Listed, SessionRow
from tracegraph.adapter import Provenance
from tracegraph.errors import SourceBadRequest, SourceBadResponse, SourceError, SourceNotFound
from tracegraph.upstream.call import Call, path_segment
from tracegraph.upstream.client import Upstream
from tracegraph.upstream.decode import RawDocument, decode
from tracegraph.upstream.wire import Row, Wire, length

TOO_MANY = 413
"""How the service refuses a list of experiments when more than 1000 match, whatever the page (VENDORS.md A4)."""

_EXPECTED = {"experiments": frozenset({TOO_MANY}), "sessions": frozenset({404})}
"""A list that is too long is read in parts; an experiment that a client names may not be there."""

R = TypeVar("R", bound=Row)


class ExperimentNotFound(SourceNotFound):
    """The workspace has no experiment of that name."""


@dataclass(frozen=True, slots=True)
class Answer(Generic[R]):
    """A page of rows as the vendor gave it; `sent` has None for a row that cannot be read."""

    page: VendorPage
    sent: Sequence[R | None]
    total: int | None
    document: RawDocument
    provenance: Provenance

    @property
    def rows(self) -> Sequence[R]:
        """Those that can be read."""
        return [row for row in self.sent if row is not None]

    @property
    def start(self) -> int:
        """The offset of the first row."""
        return self.page.start

    @property
    def end(self) -> int:
        """The offset right after the last row."""
        return self.page.start + len(self.sent)

    @property
    def next(self) -> int | None:
        """The offset to go on from, None when the list ends here. No rows end it, whatever the total says."""
        if not self.sent:
            return None
        goes_on = len(self.sent) >= self.page.size if self.total is None else self.end < self.total
        return self.start + length(self.sent) if goes_on else None


class NemoClient:
    """One workspace of one NeMo Intake service."""

    def __init__(self, upstream: Upstream, workspace: str, api_key: SecretStr | None) -> None:
        bearer = None if api_key is None else SecretStr(f"Bearer {api_key.get_secret_value()}")
        self._upstream = upstream.with_credential({"authorization": bearer})
        self._source = upstream.source
        self._experiments = f"/apis/intake/v2/workspaces/{path_segment(workspace)}/experiments"

    async def experiments(self, page: VendorPage, query: Sequence[tuple[str, str]] = ()) -> Answer[ExperimentRow]:
        """A page of the workspace's experiments (VENDORS.md A2 to A4)."""
        answer = await self._list("experiments", self._experiments, page, query, EXPERIMENTS)
        if any(row.is_group for row in answer.rows):
            raise SourceBadResponse(
                self._source,
                f"Source {self._source!r} lists experiment groups where this adapter reads experiments: its NeMo "
                "version is not supported; the adapter reads versions up to 0.2.",
                http_status=200,
                upstream_requests=answer.provenance.upstream_requests,
            )
        return answer

    async def sessions(
        self, experiment: str, page: VendorPage, query: Sequence[tuple[str, str]] = ()
    ) -> Answer[SessionRow]:
        """A page of an experiment's sessions, oldest first: there is no other order (VENDORS.md A4).

        Raises ExperimentNotFound, without a call for a name that no path can hold: a slash, even escaped, ends
        the name in the vendor's routes.
        """
        segment = None if "/" in experiment else path_segment(experiment)
        if segment is None:
            raise ExperimentNotFound(self._source, _unknown_experiment(self._source))
        return await self._list("sessions", f"{self._experiments}/{segment}/sessions", page, query, SESSIONS)

    async def _list(
        self,
        kind: str,
        path: str,
        page: VendorPage,
        query: Sequence[tuple[str, str]],
        wire: Wire[Listed[R]],
    ) -> Answer[R]:
        frame = (("page", str(page.number)), ("page_size", str(page.size)))
        try:
            call = Call(kind, path, (*frame, *query), read=partial(decode, wire=wire), expects=_EXPECTED[kind])
            reply = await self._upstream.fetch(call)
        except SourceError as error:
            raise _explained(error, kind) from None
        listed: Listed[R] = reply.value
        return Answer(page, listed.data, listed.total, RawDocument(reply.body), reply.provenance)


def too_many(source: str) -> str:
    """The sentence for more experiments than the service lists, and no way to split them."""
    return (
        f"Source {source!r} holds more experiments that match than its NeMo lists (1000): "
        "narrow the filter by dataset, group or time."
    )


def _explained(error: SourceError, kind: str) -> SourceError:
    """The refusals that NeMo words in a way of its own, in our words (VENDORS.md A2, A4, A5)."""
    source = error.source
    if error.http_status == TOO_MANY and kind == "experiments":
        return _as(SourceBadRequest, error, too_many(source))
    if error.http_status != 404:
        return error
    detail = _detail(error.vendor_body)
    if detail == "Not Found":
        sentence = f"Source {source!r} has no /experiments in its NeMo version: 0.1.2 to 0.2 are supported."
        return _as(SourceBadRequest, error, sentence)
    if detail.startswith("Workspace "):
        sentence = (
            f"Source {source!r} names a workspace that its NeMo does not know: check sources.{source}.workspace."
        )
        return _as(SourceNotFound, error, sentence)
    return _as(ExperimentNotFound, error, _unknown_experiment(source)) if kind == "sessions" else error


def _unknown_experiment(source: str) -> str:
    return f"Source {source!r} knows no experiment of that name."


def _detail(body: bytes) -> str:
    """The text of FastAPI's `{"detail": ...}`, empty for any other body."""
    try:
        document: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    detail = document.get("detail") if isinstance(document, dict) else None
    return detail if isinstance(detail, str) else ""


def _as(kind: type[SourceError], error: SourceError, sentence: str) -> SourceError:
    """The error with another meaning; its reference stays, since the log has the story under it."""
    named = kind(
        error.source,
        sentence,
        http_status=error.http_status,
        retry_after_s=error.retry_after_s,
        upstream_requests=error.upstream_requests,
        vendor_body=error.vendor_body,
    )
    named.reference = error.reference
    return named
