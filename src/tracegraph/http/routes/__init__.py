"""The routes beside `/graphql`: probes and metrics."""
