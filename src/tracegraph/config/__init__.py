"""The configuration: TOML file and environment, checked before anything starts."""
