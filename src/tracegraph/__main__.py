"""`python -m tracegraph` is the `tracegraph` command."""

from tracegraph.cli import main

main()
