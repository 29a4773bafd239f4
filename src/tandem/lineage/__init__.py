"""Lineage: query, audit, sign and export the run records of all stages, which form one graph."""
