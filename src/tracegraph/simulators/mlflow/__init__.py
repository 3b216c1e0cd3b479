"""The MLflow simulator: a tracking server of 3.17 with its traces."""
