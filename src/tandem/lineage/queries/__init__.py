"""Queries of the lineage: what an artifact was made from, what uses an input, and what changed."""
