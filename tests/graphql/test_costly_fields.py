"""Fields of experiments that cost a vendor call of their own are requested where a document needs them."""

import pytest

from tests.gateway import Gateway, Vendors
from tests.worlds import hours
from tracegraph.simulators.core.ids import stable_uuid
from tracegraph.simulators.langsmith.world import langsmith_dataset, langsmith_run, langsmith_session

DATASET = stable_uuid("dataset:questions")


def fill(vendors: Vendors) -> None:
    """Two experiments, each over a dataset of its own."""
    world = vendors.langsmith.world
    for name, dataset in (("a", DATASET), ("b", stable_uuid("dataset:other"))):
        world.add_dataset(langsmith_dataset(f"questions of {name}", id=dataset))
        session = langsmith_session(name, start_time=hours(1), reference_dataset_id=dataset)
        world.add(session, [langsmith_run(f"{name}0", start_time=hours(1))])


def dataset_calls(vendors: Vendors) -> int:
    return sum("/datasets" in call.path for call in vendors.langsmith.calls)


@pytest.mark.parametrize(
    ("selection", "calls"),
    [
        ("nodes { name createdAt datasetId }", 0),
        ("nodes { set: datasetName }", 1),
        ("edges { node { ...F } }", 1),
        ("nodes { name datasetName @skip(if: $yes) }", 0),
        ("nodes { sessions(first: 1) { nodes { name } } }", 0),
    ],
)
@pytest.mark.parametrize("field", ["merged", "of a source", "by the library"])
async def test_names_of_datasets_are_read_where_they_are_selected(
    vendors: Vendors, gateway: Gateway, selection: str, calls: int, field: str
) -> None:
    fill(vendors)
    text = f"experiments(first: 5) {{ {selection} }}"
    if field == "of a source":
        text = f"sources {{ {text} }}"
    if field == "by the library":
        text = f"__schema {{ queryType {{ name }} }} {text}"
    variables = "($yes: Boolean = true)" if "$yes" in selection else ""
    fragment = "fragment F on Experiment { datasetName }" if "...F" in selection else ""
    answer = await gateway.ask(f"query Q{variables} {{ {text} }} {fragment}")
    assert answer.errors == []
    assert dataset_calls(vendors) == calls


async def test_a_filter_by_a_dataset_needs_its_name(vendors: Vendors, gateway: Gateway) -> None:
    fill(vendors)
    named = await gateway.ask("{ experiments { nodes { vendorId datasetName } } }")
    name = {node["vendorId"]: node["datasetName"] for node in named.data["experiments"]["nodes"]}
    wanted = stable_uuid("session:a")
    query = "query($name: String) { experiments(filter: {datasetName: {eq: $name}}) { nodes { vendorId } } }"
    answer = await gateway.ask(query, name=name[wanted])
    assert answer.data["experiments"]["nodes"] == [{"vendorId": wanted}]


async def test_a_list_of_sessions_reads_no_names_of_datasets(vendors: Vendors, gateway: Gateway) -> None:
    fill(vendors)
    answer = await gateway.ask("{ sessions(first: 5) { nodes { id } } }")
    assert len(answer.data["sessions"]["nodes"]) == 2
    assert dataset_calls(vendors) == 0
