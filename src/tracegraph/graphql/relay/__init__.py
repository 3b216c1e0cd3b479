"""Global IDs, cursors and connections."""
