"""Lineage: the run records of all stages as one graph, to query, audit, sign and export."""
