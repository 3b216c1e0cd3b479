"""The three vendors in a thread of their own, for commands that run as processes."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.configurations import over, written
from tests.processes import environment
from tracegraph.simulators.core.servers import serving
from tracegraph.simulators.core.simulator import Simulator
from tracegraph.simulators.langsmith import app as langsmith
from tracegraph.simulators.langsmith.world import LangSmithWorld
from tracegraph.simulators.meibel import app as meibel
from tracegraph.simulators.meibel.world import MeibelWorld
from tracegraph.simulators.nemo import app as nemo
from tracegraph.simulators.nemo.world import NemoWorld


@dataclass(frozen=True, slots=True)
class Running:
    """Vendors that listen, and what they hold; `down` is an address where nobody listens."""

    nemo: Simulator
    langsmith: Simulator
    meibel: Simulator
    worlds: tuple[NemoWorld, LangSmithWorld, MeibelWorld]
    urls: tuple[str, str, str]
    folder: Path

    @property
    def secrets(self) -> tuple[str, str]:
        """The keys that must never be seen."""
        return self.worlds[1].api_key, self.worlds[2].api_key

    @property
    def env(self) -> dict[str, str]:
        """An environment with the keys, and without the wait for balancers at the end."""
        return environment(SMITH_KEY=self.secrets[0], MEIBEL_KEY=self.secrets[1], TRACEGRAPH_SERVER__DRAIN_S="0")

    def config(self, more: str = "", urls: tuple[str, str, str] | None = None) -> str:
        """The path of a configuration over them."""
        return str(written(self.folder, over(*(urls or self.urls), more)))


@pytest.fixture
def vendors_running(tmp_path: Path) -> Iterator[Running]:
    """NeMo, LangSmith and Meibel on loopback, empty until the test fills them."""
    worlds = NemoWorld(), LangSmithWorld(api_key="lsv2_secret_4711"), MeibelWorld(api_key="mb_secret_4711")
    simulators = nemo.create_app(worlds[0]), langsmith.create_app(worlds[1]), meibel.create_app(worlds[2])
    with serving(simulators) as (nemo_url, langsmith_url, meibel_url):
        yield Running(*simulators, worlds, (nemo_url, langsmith_url, meibel_url), tmp_path)
