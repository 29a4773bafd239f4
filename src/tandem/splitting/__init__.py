"""Assign groups of rows to splits."""
