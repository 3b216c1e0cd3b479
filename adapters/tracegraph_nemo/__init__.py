"""NVIDIA NeMo Intake: the experiments and sessions of one workspace."""

from tracegraph_nemo.adapter import Options, open_adapter
from tracegraph_nemo.address import normalize_base_url

__all__ = ["Options", "normalize_base_url", "open_adapter"]
