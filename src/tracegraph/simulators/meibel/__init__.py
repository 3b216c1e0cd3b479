"""Meibel, simulated."""
