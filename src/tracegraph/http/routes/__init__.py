"""The routes beside `/graphql`: health probes and metrics."""
