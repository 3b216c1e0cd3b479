"""Large fields are requested where a document selects them, and large replies are read in smaller pages."""

from typing import Any

import pytest

from tests.gateway import Gateway, Vendors, in_process
from tests.worlds import hours
from tracegraph.simulators.langsmith.world import langsmith_run, langsmith_session

LARGE = {"inputs", "outputs"}


def fill(vendors: Vendors, runs: int = 2, **fields: Any) -> None:
    rows = [langsmith_run(f"r{number}", start_time=hours(number), **fields) for number in range(runs)]
    vendors.langsmith.world.add(langsmith_session("p"), rows)


def selected(vendors: Vendors) -> list[set[str]]:
    """Return the large columns that each run query selected."""
    return [LARGE & set(call.body["select"]) for call in vendors.langsmith.calls if call.path.endswith("/query")]


@pytest.mark.parametrize(
    ("selection", "wanted"),
    [
        ("nodes { status metadata }", set()),
        ("nodes { input }", {"inputs"}),
        ("edges { node { text: output } }", {"outputs"}),
        ("nodes { status } edges { node { ...F } }", {"inputs"}),
        ("...C", {"outputs"}),
        ("nodes { ... on Node { id } ... on Session { vendorFields } }", LARGE),
        ("nodes { input @include(if: $no) output @skip(if: $no) }", {"outputs"}),
        ("nodes { ... @include(if: $no) { input } ...F @skip(if: true) }", set()),
    ],
)
@pytest.mark.parametrize("field", ["merged", "nested", "by the library"])
async def test_a_list_is_read_with_the_large_fields_that_are_selected(
    vendors: Vendors, gateway: Gateway, selection: str, wanted: set[str], field: str
) -> None:
    fill(vendors)
    listed = f"sessions(first: 5) {{ {selection} __typename }}"
    text = f"{{ experiments {{ nodes {{ {listed} }} }} }}" if field == "nested" else f"{{ {listed} }}"
    if field == "by the library":
        text = text.replace("{", "{ __schema { queryType { name } } ", 1)
    fragments = "fragment F on Session { input } fragment C on SessionConnection { nodes { output } }"
    answer = await gateway.ask(
        f"query Q($no: Boolean = false) {text} {used(fragments, selection)}".replace(
            "Q($no: Boolean = false)", "Q($no: Boolean = false)" if "$no" in selection else "Q"
        )
    )
    assert answer.errors == []
    assert selected(vendors) == [wanted]


def used(fragments: str, selection: str) -> str:
    parts = [f"fragment {part}" for part in fragments.split("fragment ") if part]
    return " ".join(part for part in parts if f"...{part.split()[1]}" in selection)


async def test_equal_lists_with_different_fields_share_one_query_of_all_fields(
    vendors: Vendors, gateway: Gateway
) -> None:
    fill(vendors, inputs={"q": "why?"}, outputs={"a": "so"})
    query = """{ experiments { nodes {
      a: sessions(first: 2) { nodes { input } } b: sessions(first: 1) { nodes { output } }
    } } }"""
    (found,) = (await gateway.ask(query)).data["experiments"]["nodes"]
    assert [one["input"] for one in found["a"]["nodes"]] == ["why?"] * 2
    assert [one["output"] for one in found["b"]["nodes"]] == ["so"]
    assert selected(vendors) == [LARGE]


async def test_large_fields_that_are_needed_later_are_read_later(vendors: Vendors, gateway: Gateway) -> None:
    """A join on inputs in one field, and figures that need none in another, read the list once."""
    fill(vendors, inputs={"q": "why?"})
    vendors.langsmith.world.add(langsmith_session("q"), [langsmith_run("other", inputs={"q": "why?"})])
    ids = [
        one["id"] for one in (await gateway.ask("{ experiments { nodes { id } } }")).data["experiments"]["nodes"]
    ]
    vendors.forget_calls()
    query = """query($ids: [ID!]!) {
      figures: comparison(experimentIds: $ids, basis: COMPUTED) { metrics { metric { name } } }
      cases: comparison(experimentIds: $ids, joinOn: INPUT) { cases(metric: {kind: LATENCY}) { nodes { key } } }
    }"""
    answer = await gateway.ask(query, ids=ids)
    assert answer.data["cases"]["cases"]["nodes"] == [{"key": "why?"}]
    assert selected(vendors) == [{"inputs"}], "one query for both experiments"


async def test_figures_are_computed_without_reading_inputs(vendors: Vendors, gateway: Gateway) -> None:
    fill(vendors)
    await gateway.ask("{ experiments { nodes { aggregates(basis: COMPUTED) { mean } } } }")
    assert selected(vendors) == [set()]


async def test_a_reply_that_is_too_large_is_read_in_smaller_pages(vendors: Vendors) -> None:
    fill(vendors, 110, inputs={"q": "x" * 4000})
    sources = vendors.sources()
    sources["langsmith"]["max_response_bytes"] = 100_000
    async with in_process(vendors.settings(sources=sources)) as gateway:
        answer = await gateway.ask(
            "{ sessions(first: 100) { nodes { input } sources { source { name } status } } }"
        )
    assert answer.errors == []
    assert len(answer.data["sessions"]["nodes"]) == 100
    limits = [call.body["limit"] for call in vendors.langsmith.calls if call.path.endswith("/query")]
    assert limits[:4] == [100, 50, 25, 12]
    assert set(limits[4:-1]) == {12}, "the smaller size is remembered"
    assert limits[-1] == 10, "the last page fits what remains"
