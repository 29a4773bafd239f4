"""Helpers shared by several sources of weights."""
