"""The sample data of all three vendors: realistic, with gaps, and the same in every process."""

from dataclasses import dataclass
from random import Random

from tracegraph.simulators.langsmith.sample import sample_langsmith
from tracegraph.simulators.langsmith.world import LangSmithWorld
from tracegraph.simulators.meibel.sample import sample_meibel
from tracegraph.simulators.meibel.world import MeibelWorld
from tracegraph.simulators.nemo.sample import sample_nemo
from tracegraph.simulators.nemo.world import NemoWorld

_SEED = 20261120


@dataclass(frozen=True, slots=True)
class SampleWorlds:
    """The content of the demo's three vendors."""

    nemo: NemoWorld
    langsmith: LangSmithWorld
    meibel: MeibelWorld


def sample_worlds() -> SampleWorlds:
    """Create the sample data: 36 experiments, projects and agents with some 4,700 sessions."""
    random = Random(_SEED)
    return SampleWorlds(sample_nemo(random), sample_langsmith(random), sample_meibel(random))
