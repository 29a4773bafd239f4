"""Helpers that export formats share."""
