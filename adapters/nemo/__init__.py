"""NVIDIA NeMo Intake: the experiments and sessions of one workspace."""

from adapters.nemo.adapter import Options, open_adapter
from adapters.nemo.address import normalize_base_url

__all__ = ["Options", "normalize_base_url", "open_adapter"]
