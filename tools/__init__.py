"""Programs that put the gateway under load and measure it; no part of what is installed."""
