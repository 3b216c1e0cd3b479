"""GraphQL over HTTP: endpoint, parsing, response cache, access control, routes."""
