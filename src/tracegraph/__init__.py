"""Tracegraph: one GraphQL query over every place where LLM traces live."""
