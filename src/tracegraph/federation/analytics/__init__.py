"""Figures over sessions: statistics, scans, comparisons, paired cases."""
