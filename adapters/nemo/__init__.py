"""NVIDIA NeMo Intake: the experiments and sessions of one workspace."""

from adapters.nemo.adapter import open_adapter

__all__ = ["open_adapter"]
