"""Helpers for the fetch stage and for several sources."""
