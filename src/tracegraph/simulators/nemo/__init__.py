"""NeMo Intake, simulated."""
