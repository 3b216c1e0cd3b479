"""Starts the demo's three vendors together with the sample data."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

from tracegraph.simulators.core.servers import serving
from tracegraph.simulators.data import SampleWorlds, sample_worlds
from tracegraph.simulators.langsmith import app as langsmith
from tracegraph.simulators.langsmith.deployment import Deployment, Dialect
from tracegraph.simulators.meibel import app as meibel
from tracegraph.simulators.nemo import app as nemo
from tracegraph.simulators.nemo.releases import NemoDialect

LangSmithDialect: TypeAlias = Dialect
"""The reads of runs that LangSmith serves: those of v1, those of v2, or both as its cloud until 2027-01-31."""


@dataclass(frozen=True, slots=True)
class Dialects:
    """What the demo's vendors speak."""

    nemo: NemoDialect
    langsmith: LangSmithDialect


DEFAULT_DIALECTS = Dialects(nemo="0.8", langsmith="both")
"""The vendors as they are today."""


@dataclass(frozen=True, slots=True)
class DemoVendors:
    """The URLs and credentials of the vendors, as a configuration needs them."""

    nemo_url: str
    nemo_workspace: str
    langsmith_url: str
    langsmith_api_key: str
    meibel_url: str
    """Ends in /v2, as the vendor's own base URL does."""
    meibel_api_key: str


@contextmanager
def demo_vendors(
    worlds: SampleWorlds | None = None,
    ports: Sequence[int] | None = None,
    dialects: Dialects = DEFAULT_DIALECTS,
) -> Iterator[DemoVendors]:
    """Run NeMo, LangSmith and Meibel on loopback while the block runs, on free ports or the given three."""
    worlds = worlds or sample_worlds()
    apps = [
        nemo.create_app(worlds.nemo, dialects.nemo),
        langsmith.create_app(worlds.langsmith, Deployment.of(dialects.langsmith)),
        meibel.create_app(worlds.meibel),
    ]
    with serving(apps, ports) as (nemo_url, langsmith_url, meibel_url):
        yield DemoVendors(
            nemo_url=nemo_url,
            nemo_workspace=worlds.nemo.workspace,
            langsmith_url=langsmith_url,
            langsmith_api_key=worlds.langsmith.api_key,
            meibel_url=f"{meibel_url}/v2",
            meibel_api_key=worlds.meibel.api_key,
        )
