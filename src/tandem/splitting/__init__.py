"""Assign groups of rows to splits, and keep texts from occurring in two of them."""
