"""The pages for people: lists, comparisons, experiments, sessions and sources in a browser."""
