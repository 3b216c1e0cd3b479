"""Authentication and authorization: API keys, JWT, principals."""
