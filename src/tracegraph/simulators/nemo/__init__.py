"""The NeMo Intake simulator."""
