"""Starts the demo's three vendors together with the sample data."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tracegraph.simulators.core.servers import serving
from tracegraph.simulators.data import SampleWorlds, sample_worlds
from tracegraph.simulators.langsmith import app as langsmith
from tracegraph.simulators.langsmith.deployment import Deployment, Dialect
from tracegraph.simulators.meibel import app as meibel
from tracegraph.simulators.nemo import app as nemo


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
    worlds: SampleWorlds | None = None, ports: Sequence[int] | None = None, *, langsmith_dialect: Dialect = "both"
) -> Iterator[DemoVendors]:
    """Run NeMo, LangSmith and Meibel on loopback while the block runs, on free ports or the given three.

    By default, LangSmith serves both dialects, as its cloud does until the end of January 2027.
    """
    worlds = worlds or sample_worlds()
    apps = [
        nemo.create_app(worlds.nemo),
        langsmith.create_app(worlds.langsmith, Deployment.of(langsmith_dialect)),
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
