"""Helpers of the fetch stage and of several sources."""
