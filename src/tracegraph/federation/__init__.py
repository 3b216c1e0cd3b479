"""Merges lists of several sources: streams, exact cursors, reports. Independent of GraphQL and HTTP."""
