"""Helpers that the stage `fetch` and several sources use."""
