"""`tracegraph compare`: compares experiments in a terminal."""
