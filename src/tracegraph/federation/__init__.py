"""Several sources as one list: streams, merging, exact cursors, reports. No GraphQL, no HTTP."""
