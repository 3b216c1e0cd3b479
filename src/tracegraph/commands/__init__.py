"""What the command line does, one module for each of its larger commands."""
