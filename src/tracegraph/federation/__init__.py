"""Many sources as one list: merge, positions, paging, reports."""
