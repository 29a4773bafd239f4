"""Assign groups of rows to splits, and keep texts from occurring in more than one split."""
