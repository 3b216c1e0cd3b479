"""An unreadable vendor value costs only itself: its neighbours and other sources are returned without error."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.testing import capture_logs

from tests.examples import diagonal
from tests.gateway import LANGSMITH, MEIBEL, NEMO, Gateway, Vendors, in_process
from tests.worlds import hours
from tracegraph.simulators.core.servers import running
from tracegraph.simulators.langsmith.world import langsmith_run, langsmith_session
from tracegraph.simulators.meibel.world import meibel_agent, meibel_session
from tracegraph.simulators.nemo.world import nemo_experiment, nemo_session

HERE = "-here-"
ALL = """{
  experiments { nodes {
    vendorId agentVersion models metadata vendorFields sessionCount
    aggregates(basis: COMPUTED) { count mean } reported: aggregates(basis: REPORTED) { sum mean }
    sessions { nodes {
      vendorId agentName agentVersion input output metadata vendorFields messageCount costUsd
      tokens { input output cached total } scores { evaluator value }
    } }
  } }
  sessions { nodes { vendorId input } sources { source { name } status } }
}"""
DEEP = {levels: b'{"k":' * levels + b"1" + b"}" * levels for levels in (200, 255, 300, 1000, 5000)}
DIGITS = {digits: b"9" * digits for digits in (400, 5000)}
ODD = {f"{levels} levels": raw for levels, raw in DEEP.items()} | {
    **{f"{digits} digits": raw for digits, raw in DIGITS.items()},
    "no UTF-8": b'"caf\xe9"',
    "half a character": rb'"\ud83d"',
    "not finite": b"-Infinity",
}
FIELDS = {
    (
        LANGSMITH,
        "run",
    ): "inputs outputs extra prompt_tokens total_cost error feedback_stats end_time unmapped status",
    (LANGSMITH, "project"): "extra run_count total_tokens latency_p50 feedback_stats name last_run_start_time",
    (NEMO, "session"): "input output input_tokens cost_total_usd evaluator_scores ended_at latency_ms unmapped",
    (NEMO, "experiment"): "metadata run_count agent_names cost_usd aggregate_scores model_names updated_at",
    (MEIBEL, "chat"): "token_usage messages_count agent_version end_time status unmapped",
    (MEIBEL, "agent"): "version llm_model name last_execution_time unmapped",
}
CARRIER = {"run": "app_path", "chat": "agent_name", "session": "trace_id"}
"""A field of each row that the simulated vendors pass on unchanged; `description` for the others."""


def with_the_place_last(value: Any) -> Any:
    """Return the same JSON with the placeholder last in its row: the last of two equal names counts."""
    if isinstance(value, list):
        return [with_the_place_last(one) for one in value]
    if isinstance(value, dict):
        return {
            name: with_the_place_last(value[name]) for name in sorted(value, key=lambda one: value[one] == HERE)
        }
    return value


class Substituted:
    """A vendor whose replies have these bytes in place of a text."""

    def __init__(self, app: ASGIApp, raw: bytes) -> None:
        self._app = app
        self._raw = raw

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started: list[Message] = []
        body = b""

        async def substitute(message: Message) -> None:
            nonlocal body
            if message["type"] == "http.response.start":
                started.append(message)
                return
            body += message.get("body", b"")
            if not message.get("more_body"):
                text = json.dumps(with_the_place_last(json.loads(body)), ensure_ascii=False)
                whole = text.encode().replace(f'"{HERE}"'.encode(), self._raw)
                headers = [(b"content-type", b"application/json"), (b"content-length", str(len(whole)).encode())]
                await send({**started[0], "headers": headers})
                await send({"type": "http.response.body", "body": whole})

        await self._app(scope, receive, substitute if scope["type"] == "http" else send)


Connect = Callable[[str, bytes], Awaitable[Gateway]]


@pytest.fixture
async def connect(vendors: Vendors) -> AsyncIterator[Connect]:
    """A gateway to which one source writes these bytes."""
    async with AsyncExitStack() as stack:

        async def connected(name: str, raw: bytes) -> Gateway:
            app = Substituted(vendors.named(name).simulator, raw)
            url = await stack.enter_async_context(running(app))
            sources = vendors.sources()
            path = "/v2" if name == MEIBEL else ""
            sources[name] |= {"base_url": f"{url}{path}"}
            return await stack.enter_async_context(in_process(vendors.settings(sources=sources)))

        yield connected


def put(vendors: Vendors, name: str, row: str, **fields: Any) -> None:
    """Two rows of each kind at every vendor, the newer one of one kind with these fields, or a place for some."""
    given = fields or {CARRIER.get(row, "description"): HERE}

    def odd(of: str, at: str) -> dict[str, Any]:
        return given if (of, at) == (name, row) else {}

    start = {"start_time": hours(2)}
    vendors.langsmith.world.add(
        langsmith_session("p", **odd(LANGSMITH, "project")),
        [langsmith_run("r1"), langsmith_run("r2", **(start | odd(LANGSMITH, "run")))],
    )
    vendors.langsmith.world.add(langsmith_session("q"), [langsmith_run("r3")])
    vendors.nemo.world.add(
        nemo_experiment("e", **odd(NEMO, "experiment")),
        [nemo_session("s1"), nemo_session("s2", **({"started_at": hours(2)} | odd(NEMO, "session")))],
    )
    vendors.nemo.world.add(nemo_experiment("f"), [nemo_session("s3")])
    vendors.meibel.world.add(
        meibel_agent("a", **odd(MEIBEL, "agent")),
        [meibel_session("c1"), meibel_session("c2", **(start | odd(MEIBEL, "chat")))],
    )
    vendors.meibel.world.add(meibel_agent("b"), [meibel_session("c3")])


def in_fields(raw: bytes, *names: str) -> bytes:
    """What makes the carrier null and puts the bytes into other fields of its row."""
    return b"null" + b"".join(f', "{name}": '.encode() + raw for name in names)


@pytest.mark.parametrize(("place", "odd"), diagonal(map("-".join, FIELDS), ODD))
async def test_unreadable_values_cost_only_themselves(
    vendors: Vendors, connect: Connect, place: str, odd: str
) -> None:
    name, row = place.split("-")
    put(vendors, name, row)
    gateway = await connect(name, in_fields(ODD[odd], *FIELDS[name, row].split()))
    answer = await gateway.ask(ALL)
    assert answer.errors == []
    experiments = answer.data["experiments"]["nodes"]
    assert len(experiments) == 6
    assert sum(len(one["sessions"]["nodes"]) for one in experiments) == 9
    assert len(answer.data["sessions"]["nodes"]) == 9
    assert {one["status"] for one in answer.data["sessions"]["sources"]} == {"OK"}


@pytest.mark.parametrize("levels", [*DEEP])
async def test_the_neighbours_of_a_deeply_nested_value_stay_in_vendor_fields(
    vendors: Vendors, connect: Connect, levels: int
) -> None:
    put(vendors, LANGSMITH, "run", inputs=HERE)
    gateway = await connect(LANGSMITH, DEEP[levels])
    found = await gateway.ask("{ sessions { nodes { source { name } input vendorFields } } }")
    newest = next(one for one in found.data["sessions"]["nodes"] if one["source"]["name"] == LANGSMITH)
    assert newest["vendorFields"]["name"] == "r2"
    assert (newest["input"] is None) == (levels > 254)


@pytest.mark.parametrize("digits", [*DIGITS])
async def test_a_number_beyond_a_float_in_metadata_is_null_beside_readable_values(
    vendors: Vendors, connect: Connect, digits: int
) -> None:
    given = {"metadata": {"agent_version": HERE, "agent_name": "helper", "more": {"n": HERE, "m": 1}}}
    put(vendors, LANGSMITH, "run", extra=given)
    gateway = await connect(LANGSMITH, DIGITS[digits])
    query = "{ sessions { nodes { source { name } agentName agentVersion metadata vendorFields } } }"
    nodes = (await gateway.ask(query)).data["sessions"]["nodes"]
    newest = next(one for one in nodes if one["source"]["name"] == LANGSMITH)
    assert (newest["agentName"], newest["agentVersion"]) == ("helper", None)
    assert newest["metadata"]["more"] == newest["vendorFields"]["extra"]["metadata"]["more"] == {"n": None, "m": 1}


@pytest.mark.parametrize("library", [False, True], ids=["plan", "library"])
async def test_a_count_beyond_an_int_is_null_without_an_error_and_logged_once(
    vendors: Vendors,
    gateway: Gateway,
    library: bool,  # noqa: FBT001 - a parameter
) -> None:
    """Fourteen billion tokens are the vendor's figure, and nothing that the client did wrong."""
    vendors.nemo.world.add(
        nemo_experiment("e", run_count=3_000_000_000), [nemo_session("s", input_tokens=14 * 10**9)]
    )
    query = """{
      experiments { nodes { sessionCount sessions { nodes { tokens { input output } } } aggregate(
        metric: {kind: INPUT_TOKENS}, basis: COMPUTED) { mean count } } }%s
    }"""
    with capture_logs() as logs:
        answer = await gateway.ask(query % (" __schema { queryType { name } }" if library else ""))
    assert answer.errors == []
    (found,) = answer.data["experiments"]["nodes"]
    (session,) = found["sessions"]["nodes"]
    assert (found["sessionCount"], session["tokens"]["input"]) == (None, None)
    assert session["tokens"]["output"] is not None
    assert found["aggregate"] == {"mean": 14e9, "count": 1}
    logged = [log["field"] for log in logs if log["event"] == "graphql.integer_too_large"]
    assert sorted(logged) == ["Experiment.sessionCount", "TokenUsage.input"]


STARTS = ((LANGSMITH, "run", "start_time"), (NEMO, "session", "started_at"), (MEIBEL, "chat", "start_time"))
IDS = ((LANGSMITH, "run", "id"), (NEMO, "session", "session_id"), (MEIBEL, "chat", "session_id"))


@pytest.mark.parametrize(
    ("place", "raw"),
    [(place, raw) for place in (*STARTS, *IDS) for raw in (b"null", b"[]", b'"\xff"')]
    + [(place, b'"-5877585-01-28T05:08:53Z"') for place in STARTS],
)
async def test_an_unreadable_row_costs_only_itself_and_is_logged(
    vendors: Vendors, connect: Connect, place: tuple[str, str, str], raw: bytes
) -> None:
    name, row, field = place
    put(vendors, name, row)
    gateway = await connect(name, in_fields(raw, field))
    with capture_logs() as logs:
        answer = await gateway.ask("{ sessions { nodes { vendorId } sources { source { name } status } } }")
    assert answer.errors == []
    assert len(answer.data["sessions"]["nodes"]) == 8
    assert {one["status"] for one in answer.data["sessions"]["sources"]} == {"OK"}
    assert [(log["source"], log["count"]) for log in logs if log["event"] == "rows.unreadable"][:1] == [(name, 1)]


@pytest.mark.parametrize("name", [NEMO, LANGSMITH, MEIBEL])
@pytest.mark.parametrize(("ties", "direction"), diagonal([1, 40], ["ASC", "DESC"]))
async def test_paging_continues_exactly_past_unreadable_rows(
    vendors: Vendors, connect: Connect, name: str, ties: int, direction: str
) -> None:
    """Single ones, several in a row, at the ends, and where a page ends; among rows of one start, too."""
    lost = {0, 5, 6, 7, 23, 24, 59, 60, 61, 62, 99, 118, 119}
    field = {NEMO: "session_id", LANGSMITH: "id", MEIBEL: "session_id"}[name]
    carrier = {NEMO: "trace_id", LANGSMITH: "app_path", MEIBEL: "agent_name"}[name]
    make: Any = {NEMO: nemo_session, LANGSMITH: langsmith_run, MEIBEL: meibel_session}[name]
    start = {NEMO: "started_at", LANGSMITH: "start_time", MEIBEL: "start_time"}[name]
    rows = [
        make(f"{n}", **({start: hours(n // ties)} | ({carrier: HERE} if n in lost else {}))) for n in range(120)
    ]
    owner: Any = {NEMO: nemo_experiment, LANGSMITH: langsmith_session, MEIBEL: meibel_agent}[name]
    vendors.named(name).world.add(owner("e"), rows)
    gateway = await connect(name, in_fields(b"null", field))
    query = """query($after: String, $by: SessionOrder) { experiments { nodes {
      sessions(first: 7, after: $after, orderBy: $by) {
        nodes { vendorId } pageInfo { hasNextPage endCursor } sources { status }
      }
    } } }"""
    found: list[str] = []
    after = None
    for _ in range(30):
        answer = await gateway.ask(query, after=after, by={"field": "STARTED_AT", "direction": direction})
        (page,) = [one["sessions"] for one in answer.data["experiments"]["nodes"]]
        assert [one["status"] for one in page["sources"]] == ["OK"]
        found += [one["vendorId"] for one in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    readable = [row[field] for n, row in enumerate(rows) if n not in lost]
    assert sorted(found) == sorted(readable)
    if ties == 1:
        assert found == (readable if direction == "ASC" else readable[::-1])


@pytest.mark.parametrize("name", [NEMO, LANGSMITH, MEIBEL])
async def test_an_order_by_full_scan_reads_the_list_once_past_unreadable_rows(
    vendors: Vendors, connect: Connect, name: str
) -> None:
    lost = {0, 3, 4, 119, 149}
    carrier = {NEMO: "description", LANGSMITH: "description", MEIBEL: "description"}[name]
    owner: Any = {NEMO: nemo_experiment, LANGSMITH: langsmith_session, MEIBEL: meibel_agent}[name]
    for n in range(150):
        vendors.named(name).world.add(owner(f"e{n}", **({carrier: HERE} if n in lost else {})))
    gateway = await connect(name, in_fields(b"null", "id"))
    query = """{ experiments(first: 100, orderBy: {field: NAME, direction: ASC}) {
      nodes { vendorId } pageInfo { hasNextPage } sources { status } } }"""
    answer = await gateway.ask(query)
    page = answer.data["experiments"]
    assert len(page["nodes"]) == 100
    assert {one["status"] for one in page["sources"]} == {"OK"}
    assert len(vendors.named(name).calls) <= 4


@pytest.mark.parametrize("name", [LANGSMITH, NEMO, MEIBEL])
async def test_a_row_that_cannot_be_read_costs_itself_and_is_counted_as_skipped(
    vendors: Vendors, connect: Connect, name: str
) -> None:
    put(vendors, name, {LANGSMITH: "run", NEMO: "session", MEIBEL: "chat"}[name])
    gateway = await connect(name, in_fields(b"null", "id", "session_id"))
    found = (
        await gateway.ask("{ sessions { nodes { vendorId } sources { source { name } status skipped } } }")
    ).data
    assert len(found["sessions"]["nodes"]) == 8
    assert {report["source"]["name"]: report["skipped"] for report in found["sessions"]["sources"]} == {
        source: int(source == name) for source in (NEMO, LANGSMITH, MEIBEL)
    }
