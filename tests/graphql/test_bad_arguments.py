"""Invalid arguments have a clear error with a code, and never a 500 or a stack trace."""

import base64
from collections.abc import AsyncIterator
from hashlib import blake2s
from typing import Any

import pytest
import pytest_asyncio

from tests.gateway import NEMO, Answer, Gateway, Vendors, in_process
from tests.graphql.pages import PAGE
from tests.worlds import fill
from tracegraph.simulators.langsmith.world import LangSmithWorld
from tracegraph.simulators.meibel.world import MeibelWorld
from tracegraph.simulators.nemo.world import NemoWorld

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway() -> AsyncIterator[Gateway]:
    async with Vendors.open(NemoWorld(), LangSmithWorld(), MeibelWorld()) as vendors:
        fill(vendors, experiments=3, sessions=3)
        async with in_process(vendors.settings()) as opened:
            yield opened


def global_id(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


SOURCE = global_id(f"Source:{NEMO}")


def flipped(text: str, at: int) -> str:
    """Return the base64 text with one bit of its bytes flipped."""
    data = bytearray(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    data[at % len(data)] ^= 1 << (at % 8)
    return base64.urlsafe_b64encode(bytes(data)).rstrip(b"=").decode()


def assert_refused(answer: Answer, code: str) -> str:
    """Check that the response has one error of that code and no internal detail, and return the message."""
    assert answer.status == 200
    assert answer.codes == [code]
    message: str = answer.errors[0]["message"]
    for inside in ("Traceback", 'File "', "tracegraph.", "0x", "<class"):
        assert inside not in answer.content.decode()
    return message


# -- first -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [-1, 1001, 100_000, -(2**31), 2**31 - 1])
@pytest.mark.parametrize(
    "query",
    [
        "query($first: Int) { experiments(first: $first) { nodes { id } } }",
        "query($first: Int) { sessions(first: $first) { nodes { id } } }",
        "query($first: Int) { experiments(first: 1) { nodes { sessions(first: $first) { nodes { id } } } } }",
        "query($first: Int) { node(id: SOURCE) { ... on Source { experiments(first: $first) { totalCount } } } }",
    ],
    ids=["experiments", "sessions", "nested sessions", "a source's"],
)
async def test_first_out_of_range_is_rejected_with_the_range_in_the_message(
    gateway: Gateway, query: str, first: int
) -> None:
    query = query.replace("SOURCE", f'"{SOURCE}"')
    message = assert_refused(await gateway.ask(query, first=first), "BAD_USER_INPUT")
    assert message == f"first is {first}, and must be 0 to 1000: request less, and continue with after."


@pytest.mark.parametrize("first", ["7", 1.5, True, [7], 2**31])
async def test_first_is_a_32_bit_integer(gateway: Gateway, first: Any) -> None:
    assert "$first" in assert_refused(await gateway.ask(PAGE, first=first), "BAD_USER_INPUT")


# -- cursors ---------------------------------------------------------------------------------------------


async def cursor_of(gateway: Gateway, **variables: Any) -> str:
    answer = await gateway.ask(PAGE, **{"first": 2, **variables})
    cursor: str = answer.data["experiments"]["pageInfo"]["endCursor"]
    return cursor


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        " ",
        "MTA=",
        "cursor:10",
        "eyJvZmZzZXQiOjEwfQ==",
        "é",
        "A" * 100_000,
        "////",
        "AQ",
        "=" * 40,
        "\x00",
    ],
)
async def test_a_foreign_cursor_is_rejected(gateway: Gateway, cursor: str) -> None:
    assert_refused(await gateway.ask(PAGE, after=cursor), "INVALID_CURSOR")


async def test_a_cursor_with_any_flipped_bit_is_rejected(gateway: Gateway) -> None:
    cursor = await cursor_of(gateway)
    for at in range(len(cursor) * 6 // 8):
        message = assert_refused(await gateway.ask(PAGE, after=flipped(cursor, at)), "INVALID_CURSOR")
        assert "damaged" in message


async def test_a_cursor_of_another_version_is_rejected_with_that_reason(gateway: Gateway) -> None:
    """The cursor is intact except for its version byte."""
    cursor = await cursor_of(gateway)
    body = bytearray(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))[:-4])
    body[0] += 7
    signed = bytes(body) + blake2s(body, digest_size=4).digest()
    answer = await gateway.ask(PAGE, after=base64.urlsafe_b64encode(signed).decode())
    assert "another version" in assert_refused(answer, "INVALID_CURSOR")


async def test_a_truncated_cursor_is_rejected(gateway: Gateway) -> None:
    cursor = await cursor_of(gateway)
    for length in range(1, len(cursor), 7):
        assert_refused(await gateway.ask(PAGE, after=cursor[:length]), "INVALID_CURSOR")


async def test_a_cursor_is_rejected_with_another_filter(gateway: Gateway) -> None:
    cursor = await cursor_of(gateway)
    answer = await gateway.ask(PAGE, after=cursor, filter={"kinds": ["AGENT"]})
    assert "another filter or order" in assert_refused(answer, "INVALID_CURSOR")


async def test_an_empty_filter_equals_no_filter(gateway: Gateway) -> None:
    cursor = await cursor_of(gateway)
    assert (await gateway.ask(PAGE, after=cursor, filter={})).data == (await gateway.ask(PAGE, after=cursor)).data


async def test_a_cursor_is_rejected_with_another_order(gateway: Gateway) -> None:
    cursor = await cursor_of(gateway)
    answer = await gateway.ask(PAGE, after=cursor, orderBy={"field": "CREATED_AT", "direction": "ASC"})
    assert "another filter or order" in assert_refused(answer, "INVALID_CURSOR")


async def test_a_cursor_is_rejected_at_another_field(gateway: Gateway) -> None:
    cursor = await cursor_of(gateway)
    query = "query($after: String) { sessions(after: $after) { totalCount } }"
    assert "another list" in assert_refused(await gateway.ask(query, after=cursor), "INVALID_CURSOR")


async def test_a_cursor_of_one_experiments_sessions_is_rejected_at_another_experiment(gateway: Gateway) -> None:
    query = """query($id: ID!, $after: String) {
      experiment(id: $id) { sessions(first: 1, after: $after) { pageInfo { endCursor } } }
    }"""
    one = (await gateway.ask(query, id=global_id("Experiment:nemo:n0"))).data
    cursor = one["experiment"]["sessions"]["pageInfo"]["endCursor"]
    answer = await gateway.ask(query, id=global_id("Experiment:nemo:n1"), after=cursor)
    assert_refused(answer, "INVALID_CURSOR")


async def test_a_cursor_is_valid_for_the_same_list_in_another_spelling(gateway: Gateway) -> None:
    """The order of a list of conditions, defaults and variables make no difference."""
    cursor = await cursor_of(gateway, filter={"kinds": ["AGENT", "PROJECT"], "sources": ["meibel", "langsmith"]})
    query = """query($after: String) {
      experiments(
        after: $after, orderBy: {field: CREATED_AT}
        filter: {sources: ["langsmith", "meibel"], kinds: [PROJECT, AGENT]}
      ) { nodes { name } }
    }"""
    assert len((await gateway.ask(query, after=cursor)).data["experiments"]["nodes"]) == 4


# -- IDs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "identity",
    [
        "",
        "n0",
        "5",
        "not base64!",
        "é",
        global_id("Experiment"),
        global_id("Experiment:nemo"),
        global_id("Experiment:nemo:n0:more"),
        global_id("experiment:nemo:n0"),
        global_id("Secret:nemo:n0"),
        global_id("Experiment:nemo:%ff"),
        base64.b64encode(b"\xff\xfe:\x00").decode(),
        global_id("Experiment:nemo:n0")[:-3],
        "A" * 100_000,
    ],
)
@pytest.mark.parametrize("field", ["node", "experiment", "session"])
async def test_a_text_that_is_no_global_id_is_rejected(gateway: Gateway, field: str, identity: str) -> None:
    answer = await gateway.ask(f"query($id: ID!) {{ {field}(id: $id) {{ id }} }}", id=identity)
    assert_refused(answer, "INVALID_ID")


@pytest.mark.parametrize(
    ("query", "identity"),
    [
        ("query($id: ID!) { experiment(id: $id) { id } }", "Session:nemo:n0:n0-1"),
        ("query($id: ID!) { experiment(id: $id) { id } }", "Source:nemo"),
        ("query($id: ID!) { session(id: $id) { id } }", "Experiment:nemo:n0"),
        ("query($id: ID!) { experiments(filter: {ids: [$id]}) { totalCount } }", "Session:nemo:n0:n0-1"),
        ("query($id: ID!) { sessions(filter: {experimentIds: [$id]}) { totalCount } }", "Source:nemo"),
    ],
)
async def test_an_id_of_another_type_is_rejected_with_both_types_in_the_message(
    gateway: Gateway, query: str, identity: str
) -> None:
    message = assert_refused(await gateway.ask(query, id=global_id(identity)), "INVALID_ID")
    assert f"has type {identity.partition(':')[0]}:" in message


async def test_one_invalid_id_among_valid_ones_is_rejected(gateway: Gateway) -> None:
    query = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    ids = [global_id("Experiment:nemo:n0"), "nonsense"]
    assert_refused(await gateway.ask(query, ids=ids), "INVALID_ID")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("query($ids: [ID!]) { experiments(filter: {ids: $ids}) { totalCount } }", "filter.ids"),
        ("query($ids: [ID!]) { sessions(filter: {experimentIds: $ids}) { totalCount } }", "filter.experimentIds"),
    ],
)
async def test_a_filter_has_at_most_as_many_ids_as_a_page_has_rows(
    gateway: Gateway, query: str, field: str
) -> None:
    ids = [global_id("Experiment:nemo:n0")]
    message = assert_refused(await gateway.ask(query, ids=ids * 1001), "BAD_USER_INPUT")
    assert message == f"{field} has 1001 IDs, and the limit is 1000: split the IDs over several queries."
    assert (await gateway.ask(query, ids=ids * 1000)).data


# -- what the schema refuses -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("{ experiments(orderBy: {field: COST}) { totalCount } }", "COST"),
        ("{ experiments(filter: {kinds: [ROBOT]}) { totalCount } }", "ROBOT"),
        ("{ experiments(filter: {colour: 1}) { totalCount } }", "colour"),
        ("{ experiments(behind: 1) { totalCount } }", "behind"),
        ("{ experiments { nodes { price } } }", "price"),
        ("{ experiments { nodes } }", "nodes"),
        ("{ experiments { totalCount { x } } }", "totalCount"),
        ("{ experiment { id } }", "id"),
        ("{ node(id: null) { id } }", "null"),
        ("{ nodes(ids: [null]) { id } }", "null"),
        ("query($id: Int!) { node(id: $id) { id } }", "$id"),
        ("query { ...Missing }", "Missing"),
        ("query { ...A } fragment A on Query { ...B } fragment B on Query { ...A }", "A"),
        ("{ experiments(first: $n) { totalCount } }", "$n"),
        ("mutation { delete }", "queries only"),
        ("subscription { x }", "queries only"),
        ("fragment A on Query { __typename }", "must contain an operation"),
        ("{ experiments(filter: {createdAt: {gte: 5}}) { totalCount } }", "DateTime"),
        ('{ experiments(filter: {createdAt: {gte: "yesterday"}}) { totalCount } }', "DateTime"),
        ('{ experiments(filter: {createdAt: {gte: "2026-02-30T00:00:00Z"}}) { totalCount } }', "DateTime"),
        ("{", "Syntax Error"),
        ("", "must contain a query"),
        ("{ experiments(first: 1", "Syntax Error"),
        ("{ a: \u0000 }", "Syntax Error"),
        ("{ experiments { nodes { id } } } }", "Syntax Error"),
    ],
)
async def test_an_invalid_document_is_rejected_with_the_reason_in_the_message(
    gateway: Gateway, query: str, named: str
) -> None:
    answer = await gateway.ask(query)
    assert answer.status == 200
    assert set(answer.codes) == {"BAD_USER_INPUT"}
    assert named in " ".join(error["message"] for error in answer.errors)
    assert "data" not in answer.body


@pytest.mark.parametrize(
    "variables",
    [
        {"filter": 5},
        {"filter": {"kinds": "ROBOT"}},
        {"filter": {"name": "beta"}},
        {"filter": {"name": {"eq": 5}}},
        {"filter": {"createdAt": {"gte": "soon"}}},
        {"filter": {"ids": [None]}},
        {"orderBy": {"direction": "ASC"}},
        {"orderBy": "NAME"},
        {"after": 5},
    ],
    ids=str,
)
async def test_variables_of_a_wrong_type_are_rejected(gateway: Gateway, variables: dict[str, Any]) -> None:
    (name,) = variables
    assert f"${name}" in assert_refused(await gateway.ask(PAGE, **variables), "BAD_USER_INPUT")


async def test_undeclared_variables_are_ignored(gateway: Gateway) -> None:
    assert (await gateway.ask("{ sources { name } }", first=5)).data


async def test_several_operations_without_an_operation_name_are_rejected(gateway: Gateway) -> None:
    body = b'{"query": "query A { __typename } query B { __typename }"%s}'
    assert set((await gateway.post(body % b"")).codes) == {"BAD_USER_INPUT"}
    assert set((await gateway.post(body % b', "operationName": "C"')).codes) == {"BAD_USER_INPUT"}
    assert (await gateway.post(body % b', "operationName": "B"')).data == {"__typename": "Query"}


@pytest.mark.parametrize(
    "moment",
    [
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
    ],
)
async def test_times_at_the_ends_of_the_calendar_are_accepted_or_rejected(gateway: Gateway, moment: str) -> None:
    """A time outside the calendar in UTC is rejected; other times are accepted."""
    query = """query($t: DateTime) {
      experiments(filter: {createdAt: {gte: $t, lt: $t}}) { totalCount }
      sessions(filter: {startedAt: {gte: $t}}) { totalCount }
      experiments(filter: {createdAt: {gte: $t, lt: $t}}) { totalCount }
    }"""
    answer = await gateway.ask(query, t=moment)
    assert answer.codes in ([], ["BAD_USER_INPUT"])


async def test_a_rejected_field_leaves_its_nullable_siblings(gateway: Gateway) -> None:
    query = """query($bad: ID!, $good: ID!) {
      bad: experiment(id: $bad) { name } good: experiment(id: $good) { name }
    }"""
    answer = await gateway.ask(query, bad="nonsense", good=global_id(f"Experiment:{NEMO}:n0"))
    assert answer.partial == {"bad": None, "good": {"name": "n0"}}
    assert [(error["path"], error["extensions"]["code"]) for error in answer.errors] == [(["bad"], "INVALID_ID")]


@pytest.mark.parametrize(
    "condition",
    [
        {"name": {"contains": "\u0000"}},
        {"name": {"eq": "%"}},
        {"name": {"contains": "\\'\";--"}},
        {"name": {"contains": "x" * 20_000}},
        {"name": {"in": []}},
        {"name": {"in": [""]}},
        {"ids": []},
        {"sources": []},
        {"kinds": []},
        {"groupId": {"eq": ""}},
        {"agentName": {"eq": "{}[]"}},
    ],
    ids=lambda one: str(one)[:40],
)
async def test_conditions_that_match_nothing_are_no_errors(gateway: Gateway, condition: dict[str, Any]) -> None:
    """The conditions match no row; none is an error, and none is ignored."""
    answer = await gateway.ask(PAGE, filter=condition)
    assert answer.data["experiments"]["edges"] == []
    assert answer.troubles == {}


# -- names of sources and vendors ------------------------------------------------------------------------

BY_FILTER = {
    "experiments": "query($f: ExperimentFilter) { experiments(filter: $f) { totalCount } }",
    "sessions": "query($f: SessionFilter) { sessions(filter: $f) { totalCount } }",
    "a source's": "query($f: ExperimentFilter) { sources { experiments(filter: $f) { totalCount } } }",
}


@pytest.mark.parametrize("query", BY_FILTER.values(), ids=BY_FILTER)
@pytest.mark.parametrize("field", ["sources", "vendors"])
@pytest.mark.parametrize("unknown", ["lang-smith", "NEMO", "", "n" * 500])
async def test_an_unknown_name_is_rejected_with_the_known_names_in_the_message(
    gateway: Gateway, query: str, field: str, unknown: str
) -> None:
    answer = await gateway.ask(query, f={field: ["nemo", unknown]})
    assert set(answer.codes) == {"BAD_USER_INPUT"}
    for error in answer.errors:
        said = f"filter.{field} has {unknown[:100]!r}, which is unknown; known names: langsmith, meibel, nemo."
        assert error["message"] == said


@pytest.mark.parametrize("query", BY_FILTER.values(), ids=BY_FILTER)
async def test_a_filter_within_one_source_accepts_the_name_of_another_source(gateway: Gateway, query: str) -> None:
    assert (await gateway.ask(query, f={"sources": ["meibel"], "vendors": ["nemo"]})).codes == []


# -- the empty cursor ------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [None, 0, 2])
@pytest.mark.parametrize(
    "query",
    [
        'query($first: Int) { experiments(first: $first, after: "") { totalCount } }',
        'query($first: Int) { sessions(first: $first, after: "") { totalCount } }',
        'query($first: Int) { sources { experiments(first: $first, after: "") { totalCount } } }',
    ],
)
async def test_an_empty_cursor_is_rejected_with_advice_to_use_null(
    gateway: Gateway, query: str, first: int | None
) -> None:
    answer = await gateway.ask(query, first=first)
    assert set(answer.codes) == {"INVALID_CURSOR"}
    assert (
        answer.errors[0]["message"] == "An empty string is not a cursor: use null as `after` for the first page."
    )
