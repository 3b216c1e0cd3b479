"""Traversals whose pages differ in age: fresh, cached, or stale pages of a vendor that fails."""

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.gateway import Vendors, in_process
from tests.worlds import hours
from tracegraph.simulators.core.faults import Fault
from tracegraph.simulators.langsmith.world import LangSmithWorld
from tracegraph.simulators.meibel.world import MeibelWorld
from tracegraph.simulators.nemo.world import NemoWorld, nemo_experiment

QUERY = """query($after: String, $first: Int) {
  experiments(first: $first, after: $after) {
    nodes { name }
    pageInfo { hasNextPage endCursor }
    sources { status }
  }
}"""
KEPT = 12
"""Experiments that exist during the whole traversal."""


@dataclass(frozen=True)
class Step:
    """The event before a page is requested."""

    fails: bool
    added: int
    removes: bool


STEPS = st.lists(st.builds(Step, st.booleans(), st.integers(0, 2), st.booleans()), min_size=1, max_size=12)


@settings(max_examples=examples(25))
@given(STEPS, st.integers(1, 5), st.sampled_from([0, 300]))
async def test_traversals_end_without_repeated_or_lost_rows(steps: list[Step], first: int, ttl_s: int) -> None:
    async with Vendors.open(NemoWorld(), LangSmithWorld(), MeibelWorld()) as vendors:
        world = vendors.nemo.world
        for index in range(KEPT):
            world.add(nemo_experiment(f"kept-{index}", created_at=hours(2 * index)))
        tables = {
            "sources": {"nemo": vendors.sources()["nemo"] | {"breaker": {"enabled": False}}},
            "cache": {"url": "memory://", "ttl_s": ttl_s, "stale_s": 300},
        }
        async with in_process(vendors.settings(**tables)) as gateway:
            await gateway.ask(QUERY, first=first)
            after, seen, added = None, list[str](), 0
            for number in range(60):
                step = steps[number] if number < len(steps) else Step(fails=False, added=0, removes=False)
                vendors.nemo.recover()
                if step.fails:
                    vendors.nemo.fail(Fault("html", times=None))
                for _ in range(step.added):
                    world.add(nemo_experiment(f"new-{added}", created_at=hours(added * 5 % 24)))
                    added += 1
                if step.removes and len(world.experiments) > KEPT:
                    world.experiments.pop()
                vendors.forget_calls()
                answer = await gateway.ask(QUERY, first=first, after=after)
                assert len(vendors.nemo.calls) <= 40
                if answer.errors:
                    assert answer.codes == ["ALL_SOURCES_FAILED"]
                    continue
                page = answer.data["experiments"]
                seen += [node["name"] for node in page["nodes"]]
                after = page["pageInfo"]["endCursor"]
                if not page["pageInfo"]["hasNextPage"]:
                    break
            assert number < 59
    assert len(seen) == len(set(seen))
    assert {f"kept-{index}" for index in range(KEPT)} <= set(seen)
