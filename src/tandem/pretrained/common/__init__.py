"""Helpers of several sources of weights."""
