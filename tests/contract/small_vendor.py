"""A small vendor with one list of tokens, and its adapter in parts that a test can break one by one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from random import Random
from typing import Any, ClassVar

from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracegraph.adapter import (
    BaseAdapter,
    Capabilities,
    CursorRequest,
    ExperimentQuery,
    LenientDecoder,
    LenientStruct,
    ListCapabilities,
    Name,
    Page,
    PageRequest,
    Paging,
    RangeRequest,
    SessionPageRequest,
    SourceSettings,
    StrictOptions,
    VendorClient,
    both_directions,
    readable_rows,
    refuse_without_rows,
)
from tracegraph.domain.filters import ExperimentOrderField, SessionFilter, SessionOrderField
from tracegraph.domain.models import Experiment, ExperimentKind, Session, SessionRef, SessionStatus
from tracegraph.errors import SourceError, SourceNotFound, SourceObjectNotFound
from tracegraph.simulators.core.responses import Json
from tracegraph.simulators.core.rows import Row
from tracegraph.simulators.core.simulator import Simulator
from tracegraph.simulators.core.times import EPOCH, zulu
from tracegraph.testing import AdapterContract, Example, Vendor, instant
from tracegraph.upstream.client import Upstream
from tracegraph.upstream.messages import UpstreamRequest, path_segment

SECRET = "small_made-up-for-the-contract"
WORDS = {"ok": SessionStatus.SUCCESS, "bad": SessionStatus.ERROR}


class SmallRow(LenientStruct):
    """An experiment or a session."""

    id: Name
    at: datetime
    state: str | None = None
    seconds: float | None = None


class SmallList(LenientStruct):
    rows: list[SmallRow | None]
    next: str | None = None

    def __post_init__(self) -> None:
        refuse_without_rows(self.rows)


ROW: LenientDecoder[SmallRow] = LenientDecoder(SmallRow)
LIST: LenientDecoder[SmallList] = LenientDecoder(SmallList)


class SmallClient(VendorClient):
    def explain_error(self, error: SourceError, request: UpstreamRequest) -> SourceError:  # noqa: ARG002
        if type(error) is SourceNotFound:
            return error.restated(SourceObjectNotFound, "No object has that id.")
        return error


class SmallAdapter(BaseAdapter):
    """A correct adapter. Subclasses in tests override one of the parts below."""

    vendor = "small"
    capabilities = Capabilities(
        experiments=ListCapabilities(Paging.CURSOR, 500, both_directions(ExperimentOrderField.CREATED_AT)),
        sessions=ListCapabilities(
            Paging.CURSOR, 500, both_directions(SessionOrderField.STARTED_AT), frozenset({"statuses"})
        ),
        reported_metrics=(),
        kinds=frozenset({ExperimentKind.PROJECT}),
        statuses=frozenset({SessionStatus.SUCCESS, SessionStatus.ERROR, SessionStatus.UNKNOWN}),
        unsupported_session_fields=frozenset({"test_case_id"}),
    )

    def __init__(self, settings: SourceSettings, upstream: Upstream) -> None:
        super().__init__(settings.name)
        self.client = SmallClient(upstream, {"X-Api-Key": settings.read(Options).api_key})

    # -- the parts -------------------------------------------------------------------------------------

    def token(self, page: PageRequest) -> str:
        return (page.token or "") if isinstance(page, CursorRequest | RangeRequest) else ""

    def next_token(self, reply: SmallList) -> str | None:
        return reply.next

    def status(self, word: str | None) -> SessionStatus:
        return WORDS.get(word or "", SessionStatus.UNKNOWN)

    def latency_ms(self, seconds: float | None) -> float | None:
        return None if seconds is None else seconds * 1000

    def states(self, condition: SessionFilter) -> Sequence[str]:
        """Return the vendor's words for the statuses; none where one has no word."""
        requested = condition.statuses or frozenset()
        words = [word for word, status in WORDS.items() if status in requested]
        return words if len(words) == len(requested) else []

    def order(self, query: ExperimentQuery) -> str:
        return query.order.direction.value if query.order.field is ExperimentOrderField.CREATED_AT else "ASC"

    def session_order(self, request: SessionPageRequest) -> str:
        return request.order.direction.value

    def arranged(self, rows: list[Session]) -> list[Session]:
        return rows

    # -- the port --------------------------------------------------------------------------------------

    async def list_experiments(self, query: ExperimentQuery, page: PageRequest) -> Page[Experiment]:
        reply = await self.client.get("list", "/all", LIST, self._query(page, self.order(query)))
        rows = [self._experiment(row, reply.raw("rows", at)) for at, row in readable_rows(reply.value.rows)]
        return Page(rows, None, self.next_token(reply.value), provenance=reply.provenance)

    async def list_session_page(self, request: SessionPageRequest) -> Page[Session]:
        (ref,) = request.experiment_refs
        query = self._query(request.page, self.session_order(request))
        query += [("state", word) for word in self.states(request.filter)]
        reply = await self.client.get("list", f"/all/{self._segment(ref)}/rows", LIST, query)
        rows = [self._session(ref, row, reply.raw("rows", at)) for at, row in readable_rows(reply.value.rows)]
        return Page(self.arranged(rows), None, self.next_token(reply.value), provenance=reply.provenance)

    async def find_experiment(self, ref: str) -> Experiment:
        reply = await self.client.get("one", f"/all/{self._segment(ref)}", ROW)
        return self._experiment(reply.value, reply.raw())

    async def find_session(self, ref: SessionRef) -> Session:
        path = f"/all/{self._segment(ref.experiment_ref)}/rows/{self._segment(ref.session_id)}"
        reply = await self.client.get("one", path, ROW)
        return self._session(ref.experiment_ref, reply.value, reply.raw())

    def _query(self, page: PageRequest, order: str) -> list[tuple[str, str]]:
        return [("limit", str(page.limit)), ("order", order), ("after", self.token(page))]

    def _segment(self, text: str) -> str:
        segment = path_segment(text)
        if segment is None:
            raise SourceObjectNotFound(self.name, "No object has that id.")
        return segment

    def _experiment(self, row: SmallRow, raw: Any) -> Experiment:
        kind = ExperimentKind.PROJECT
        return Experiment(self.name, row.id, row.id, kind, row.id, created_at=row.at, raw=raw)

    def _session(self, ref: str, row: SmallRow, raw: Any) -> Session:
        status, latency_ms = self.status(row.state), self.latency_ms(row.seconds)
        return Session(self.name, ref, row.id, status, row.at, latency_ms=latency_ms, raw=raw)


class Options(StrictOptions):
    api_key: SecretStr


def opens(adapter: type[SmallAdapter]) -> Any:
    """Return the `open_adapter` of a class of adapter."""

    @asynccontextmanager
    async def open_adapter(settings: SourceSettings, upstream: Upstream) -> AsyncIterator[SmallAdapter]:
        yield adapter(settings, upstream)

    return open_adapter


class Small(Vendor):
    """Rows in memory, in the order of adding. A token is the number of rows before it."""

    key = SECRET

    def __init__(self, rng: Random) -> None:  # noqa: ARG002 - it has no variants
        self.lists: dict[str, dict[str, Row]] = {"": {}}
        routes = [
            Route("/all", self._route(lambda request: self._page("", request))),
            Route("/all/{ref}", self._route(lambda request: self.lists[""][request.path_params["ref"]])),
            Route("/all/{ref}/rows", self._route(lambda request: self._page(request.path_params["ref"], request))),
            Route("/all/{ref}/rows/{id}", self._route(self._session)),
        ]
        self.simulator = Simulator(Starlette(routes=routes), lambda status: {"status": status})

    def _route(self, handler: Callable[[Request], Row]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            if request.headers.get("x-api-key") != self.key:
                return Json({}, 401)
            try:
                return Json(handler(request))
            except KeyError:
                return Json({}, 404)

        return endpoint

    def _session(self, request: Request) -> Row:
        return self.lists[request.path_params["ref"]][request.path_params["id"]]

    def _page(self, name: str, request: Request) -> Row:
        query = request.query_params
        states = query.getlist("state")
        rows = [row for row in self.lists[name].values() if not states or row["state"] in states]
        if query["order"] != "NONE":
            rows.sort(key=lambda row: str(row["at"]), reverse=query["order"] == "DESC")
        start, limit = int(query["after"] or 0), int(query["limit"])
        following = rows[start : start + limit]
        return {"rows": following, "next": str(start + limit) if start + limit < len(rows) else None}

    def experiments(self) -> Mapping[str, Row]:
        return self.lists[""]

    def sessions(self, ref: str) -> Mapping[str, Row]:
        return self.lists[ref]

    def add_experiment(self, rng: Random, number: int) -> str:
        ref = f"experiment-{number}"
        self.lists[ref] = {}
        self.lists[""][ref] = small_row(ref, instant(rng))
        return ref

    def add_session(self, rng: Random, ref: str, number: int) -> str:
        return self.insert_session(ref, small_row(f"s-{number}", instant(rng), rng.choice(["ok", "bad", "odd"])))

    def insert_session(self, ref: str, row: Row) -> str:
        self.lists[ref][row["id"]] = row
        return str(row["id"])

    def remove_experiment(self, ref: str) -> None:
        del self.lists[""][ref], self.lists[ref]

    def remove_session(self, ref: str, session_id: str) -> None:
        del self.lists[ref][session_id]


def small_row(row_id: str, at: datetime = EPOCH + timedelta(days=1), state: str = "ok") -> Row:
    """Return a row whose times sort as texts."""
    text = zulu(at.replace(microsecond=at.microsecond or 1))
    return {"id": row_id, "at": text, "state": state, "seconds": 1.5}


class SmallContract(AdapterContract):
    """The contract of the small vendor. The name keeps pytest from collecting it."""

    vendor = Small
    open_adapter = staticmethod(opens(SmallAdapter))
    options: ClassVar = {"api_key": SECRET}
    secret = SECRET
    unknown_refs = ("nobody-made-this",)
    nameless_experiments: ClassVar = {"rows": [{"at": "2026-01-01T00:00:00Z"}]}
    nameless_sessions: ClassVar = {"rows": [{"at": "2026-01-01T00:00:00Z"}]}
    session_examples = (
        Example(small_row("example-1"), {"status": SessionStatus.SUCCESS, "latency_ms": 1500.0}),
        Example(small_row("example-2", state="bad"), {"status": SessionStatus.ERROR}),
    )


def contract_of(adapter: type[SmallAdapter], **declared: Any) -> SmallContract:
    """Return the contract for a class of adapter, with other declarations."""
    attributes = {"open_adapter": staticmethod(opens(adapter)), **declared}
    contract: SmallContract = type("BrokenContract", (SmallContract,), attributes)()
    return contract
