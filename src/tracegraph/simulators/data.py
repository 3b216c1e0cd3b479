"""The sample data of all three vendors: believable, with gaps, and the same at every start."""

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
    """What the three simulated vendors of the demo hold."""

    nemo: NemoWorld
    langsmith: LangSmithWorld
    meibel: MeibelWorld


def sample_worlds() -> SampleWorlds:
    """Make the sample data: 36 experiments, projects and agents with some 4,700 sessions."""
    random = Random(_SEED)
    return SampleWorlds(sample_nemo(random), sample_langsmith(random), sample_meibel(random))
