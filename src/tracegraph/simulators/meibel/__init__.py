"""The Meibel simulator."""
